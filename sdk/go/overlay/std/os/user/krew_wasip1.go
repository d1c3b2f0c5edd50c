// Package user, for plugins of krew-wasm: the current user by the environment.

package user

import "os"

// krewCurrent is the user that USER or LOGNAME names, else the owner of the home directory by its name.
func krewCurrent() (*User, error) {
	home, err := os.UserHomeDir()
	name := os.Getenv("USER")
	if name == "" {
		name = os.Getenv("LOGNAME")
	}
	for at := len(home) - 1; name == "" && at >= 0; at-- {
		if home[at] == '/' {
			name = home[at+1:]
		}
	}
	if name == "" {
		return nil, err
	}
	return &User{Uid: currentUID(), Gid: currentGID(), Username: name, Name: name, HomeDir: home}, nil
}
