package driver

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/dnnc/dnnc/ir/diag"
)

// Warnings are what a command warned of, and what the user asked to become of them. The
// copies of a command's options share one. Nil prints every warning.
type Warnings struct {
	AllErrors      bool            // -Werror
	Errors, Silent map[string]bool // -Werror=name, -Wno-name

	mu   sync.Mutex
	said []string // as they were printed
	bad  []string // names of those that are errors
}

// Say prints a warning, once, unless it is silenced: then it is no error either.
func (w *Warnings) Say(messages io.Writer, x *diag.Warning) {
	if w == nil {
		fmt.Fprintln(messages, x)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Silent[x.Name] || slices.Contains(w.said, x.String()) {
		return
	}
	w.said = append(w.said, x.String())
	if (w.AllErrors || w.Errors[x.Name]) && !slices.Contains(w.bad, x.Name) {
		w.bad = append(w.bad, x.Name)
	}
	fmt.Fprintln(messages, x)
}

// Err reports warnings that -Werror makes errors.
func (w *Warnings) Err() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.bad) == 0 {
		return nil
	}
	return diag.New(diag.Pos{}, diag.CheckFailed, "-Werror: warnings that are errors: %s", strings.Join(w.bad, ", ")).
		WithHelp("dnnc help warnings explains them; -Wno-%s silences one", w.bad[0])
}

// SetErrors reads the value of -Werror: true and false are of all warnings, else it is a
// list of names.
func (w *Warnings) SetErrors(list string) error {
	if list == "true" || list == "false" {
		w.AllErrors = list == "true"
		return nil
	}
	for _, name := range strings.Split(list, ",") {
		if !slices.Contains(diag.WarningNames(), name) {
			return fmt.Errorf("no warning %q; dnnc help warnings lists them", name)
		}
		if w.Errors == nil {
			w.Errors = map[string]bool{}
		}
		w.Errors[name] = true
	}
	return nil
}

// Silence is -Wno-name.
func (w *Warnings) Silence(name string, silent bool) {
	if w.Silent == nil {
		w.Silent = map[string]bool{}
	}
	w.Silent[name] = silent
}
