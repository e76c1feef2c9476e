package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hold makes this program one that has so many bytes in memory for a while.
const hold = "BENCH_HOLD"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(hold)); err == nil {
		held := make([]byte, n)
		for i := 0; i < n; i += 1 << 10 {
			held[i] = 1
		}
		time.Sleep(20 * interval)
		runtime.KeepAlive(held)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestWatch(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	if testing.Short() {
		t.Skip("not short: the race detector, which runs the short tests, has memory of its own")
	}
	const held, others = 64 << 20, 32 << 20
	self, err := os.Executable()
	require.NoError(t, err)
	run := func(name string, args ...string) usage {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), hold+"="+strconv.Itoa(held))
		u, err := watch(cmd)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, u.took, 20*interval)
		assert.Positive(t, u.processor)
		return u
	}
	u := run(self)
	assert.GreaterOrEqual(t, u.own, held)
	assert.Less(t, u.tree, held+others, "its own memory counts once")
	u = run("sh", "-c", self+"; exit 0")
	assert.Less(t, u.own, others)
	assert.GreaterOrEqual(t, u.tree, held, "of a child")
	u = run("sh", "-c", self+" first & "+self+" second; wait")
	assert.GreaterOrEqual(t, u.tree, 2*held, "of both at once")
}

func TestWatchErrors(t *testing.T) {
	_, err := watch(exec.Command("/none"))
	assert.Error(t, err)
	_, err = watch(exec.Command("sh", "-c", "echo no good >&2; exit 3"))
	assert.ErrorContains(t, err, "exit status 3\nno good")
}
