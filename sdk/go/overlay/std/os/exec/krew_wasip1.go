// Package exec, for plugins of krew-wasm: why no program is found.

package exec

// noPrograms reads as ErrNotFound, which programs match, and says why.
type noPrograms struct{}

func (noPrograms) Error() string {
	return ErrNotFound.Error() + " (krew-wasm: plugins can't start programs)"
}

func (noPrograms) Unwrap() error { return ErrNotFound }

var errNoPrograms error = noPrograms{}
