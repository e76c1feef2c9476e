//go:build unix

package metric

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// apart has a program run in a process group of its own; the group is ended with it, whatever
// the program started.
func apart(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}

// endGroup ends the processes that a program left; there may be none. Those of another group or
// session are known by the mark that they have in their environment, where /proc shows it; one
// that has taken the mark away stays.
func endGroup(c *exec.Cmd, mark string) {
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	}
	for range mostRounds {
		if !endMarked(mark) {
			return
		}
	}
}

// mostRounds bounds the search for processes that start others while they are ended.
const mostRounds = 20

// endMarked ends the processes whose environment has a mark, and reports whether there was one.
func endMarked(mark string) (found bool) {
	list, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, raw...), []byte("\x00"+mark+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && pid != os.Getpid() {
			found = syscall.Kill(pid, syscall.SIGKILL) == nil || found
		}
	}
	return found
}
