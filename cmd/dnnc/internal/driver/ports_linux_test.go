package driver_test

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// withoutSockets runs a process which the kernel kills, with all that it started, when one of them asks for a socket.
// Without a socket there is no port.
func withoutSockets(t *testing.T, c *exec.Cmd) (text string, err error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: a filter is for the life of its thread, which ends here
		if err := forbidSockets(); err != nil {
			done <- err
			return
		}
		var out []byte
		out, err = c.CombinedOutput()
		text = string(out)
		done <- nil
	}()
	require.NoError(t, <-done)
	return text, err
}

// forbidSockets has the kernel kill what asks for a socket: this thread, and the processes that it starts.
func forbidSockets() error {
	const (
		noNewPrivileges = 38                     // PR_SET_NO_NEW_PRIVS
		setFilter, mode = 22, uintptr(2)         // PR_SET_SECCOMP, SECCOMP_MODE_FILTER
		kill, allow     = 0x80000000, 0x7fff0000 // SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW
	)
	program := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS}, // the number of the system call
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, Jf: 1, K: syscall.SYS_SOCKET},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: kill},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: allow},
	}
	filter := syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, noNewPrivileges, 1, 0, 0, 0, 0); e != 0 {
		return e
	}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, setFilter, mode, uintptr(unsafe.Pointer(&filter)), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// TestNoPorts: a build opens no port, nor do workers over a folder; dnnc cluster does, so the test can fail.
func TestNoPorts(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dir := path("")
	for _, args := range [][]string{
		sharedSearch("alone.dnn"),
		append(sharedSearch("shared.dnn"), "-workers", "2", "-store", "store"),
		{"classes.dnn", "-calib", "data.npz", "-target", "x86_64", "-images", "40", "-emit", "c", "-o", "net.c"},
	} {
		text, err := withoutSockets(t, dnnctest.StandIn(t, dir, args...))
		require.NoError(t, err, "%v: %s", args, text)
		assert.NotContains(t, text, "a worker ended", args)
	}
	got := dnnctest.Contents(t, dir, "alone.dnn", "shared.dnn")
	assert.Equal(t, string(got["alone.dnn"]), string(got["shared.dnn"]))

	text, err := withoutSockets(t, dnnctest.StandIn(t, dir, "cluster", "-dir", "server", "-listen", "127.0.0.1:0"))
	assert.Error(t, err, text)
	assert.Contains(t, text+err.Error(), "bad system call")
}
