package driver

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
)

// bar shows the progress of long work: in place on a terminal, elsewhere a
// plain line each few seconds.
type bar struct {
	out      io.Writer
	terminal bool
	began    time.Time
	last     time.Time
	open     bool
}

// The widths and times of a bar, chosen for reading.
const (
	barWidth    = 30
	barEvery    = 100 * time.Millisecond
	plainEvery  = 5 * time.Second
	clearToLine = "\r\x1b[K"
)

func newBar(out io.Writer) *bar {
	b := &bar{out: out, began: time.Now(), terminal: IsTerminal(out)}
	b.last = b.began
	return b
}

// IsTerminal reports whether lines can be written over again.
func IsTerminal(out io.Writer) bool {
	f := terminal.File(out)
	if f == nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Progress is a bar of one piece of work: what shows done of total, and what
// removes it.
func Progress(out io.Writer, what string) (show func(done, total int), end func()) {
	b := newBar(out)
	return func(done, total int) { b.show(what, done, total) }, b.end
}

// show reports done of total; a total of 0 is not known.
func (b *bar) show(what string, done, total int) {
	every := plainEvery
	if b.terminal {
		every = barEvery
	}
	if time.Since(b.last) < every {
		return
	}
	b.last = time.Now()
	text := fmt.Sprintf("%s %d", what, done)
	if total > 0 {
		text = fmt.Sprintf("%s %d of %d", what, done, total)
	}
	if !b.terminal {
		fmt.Fprintf(b.out, "dnnc: %s\n", text)
		return
	}
	if total > 0 {
		filled := barWidth * min(done, total) / total
		text = "[" + strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + "] " + text
	}
	fmt.Fprint(terminal.Raw(b.out), clearToLine+text)
	b.open = true
}

// end removes the bar from the terminal.
func (b *bar) end() {
	if b.open {
		fmt.Fprint(terminal.Raw(b.out), clearToLine)
		b.open = false
	}
}
