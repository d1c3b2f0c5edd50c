// Package time, for plugins of krew-wasm: the local time zone. The host lets every plugin read it.

package time

import "syscall"

// krewZones are where systems keep their time zones.
var krewZones = []string{"/usr/share/zoneinfo", "/etc/zoneinfo"}

// krewLocal finds the local time zone as Unix programs do: TZ names a zone or a file, and an empty TZ is UTC.
// Without TZ it is the system's.
func krewLocal() {
	localLoc.name = "UTC"
	name, given := syscall.Getenv("TZ")
	if given && name == "" {
		return
	}
	directories := krewZones
	shown := "Local"
	switch {
	case !given:
		name, directories = "localtime", []string{"/etc"}
	case name[0] == ':':
		name = name[1:]
		fallthrough
	default:
		if name == "" {
			return
		}
		shown = name
		if name[0] == '/' {
			if name == "/etc/localtime" {
				shown = "Local"
			}
			name, directories = name[1:], []string{"/"}
		}
	}
	if zone, err := loadLocation(name, directories); err == nil {
		localLoc = *zone
		localLoc.name = shown
	}
}
