package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/dnnc/dnnc/ir/diag"
)

// underLimit is set for a child that a supervisor watches.
const underLimit = "DNNC_UNDER_LIMIT"

// supervised runs dnnc as a child where its memory is limited (ulimit -v): Go's
// runtime ends a program that asks for more with a trace, which the user gets as a
// message. is is false where nothing is limited, and in the child.
func supervised(args []string) (code int, is bool) {
	var limit syscall.Rlimit
	if os.Getenv(underLimit) != "" || syscall.Getrlimit(syscall.RLIMIT_AS, &limit) != nil || limit.Cur == ^uint64(0) {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	c := exec.Command(self, args[1:]...)
	c.Env = append(os.Environ(), underLimit+"=1")
	c.Stdin, c.Stdout = os.Stdin, os.Stdout
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // whose end is the parent's for the child
	messages, err := c.StderrPipe()
	if err == nil {
		signal.Ignore(os.Interrupt) // which the child gets, too
		err = c.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, outOfMemory(limit.Cur))
		return AtFault, true
	}
	memory := forward(messages, os.Stderr)
	err = c.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return Done, true
	case memory:
		fmt.Fprintln(os.Stderr, outOfMemory(limit.Cur))
		return AtFault, true
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode(), true
	}
	fmt.Fprintln(os.Stderr, "dnnc:", err)
	return Internal, true
}

func outOfMemory(limit uint64) error {
	return diag.New(diag.Pos{}, diag.OutOfMemory, "dnnc takes more than the %d MiB that its limit leaves it", limit>>20).
		WithNote("files are as they were").WithHelp("raise ulimit -v; -mem bounds what a search keeps, and -images what it looks at")
}

// signs are how the traces begin that Go's runtime leaves when it gets no memory.
var signs = []string{"runtime: out of memory", "fatal error: out of memory", "fatal error: runtime: cannot allocate memory", "runtime: cannot allocate memory", "fatal error: failed to reserve", "runtime: failed to create new OS thread", "runtime/cgo: pthread_create failed", "runtime: cannot map pages in arena address space"}

// forward copies messages line by line, up to such a trace, and reports whether
// there was one.
func forward(from io.Reader, to io.Writer) (memory bool) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		for _, s := range signs {
			memory = memory || strings.Contains(line, s)
		}
		if !memory {
			_, _ = io.WriteString(to, line)
		}
		if err != nil {
			return memory
		}
	}
}
