package driver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestInterruptedMeasurement interrupts builds that have their network: all outputs are
// there, and the certificate lists what was not measured.
func TestInterruptedMeasurement(t *testing.T) {
	dir := dnnctest.Workspace(t)
	c := dnnctest.StandIn(t, dir, "lenet5.dnn", "-target", "x86_64", "-images", "16", "-emit", "c,ir", "-o", "net.c", "-report", "accuracy", "-errors", "all")
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	var said bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(stderr, &said))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "task: ") { // the measurement begins
			require.NoError(t, syscall.Kill(c.Process.Pid, syscall.SIGINT))
		}
	}
	require.Error(t, c.Wait())
	assert.Equal(t, command.AtFault, c.ProcessState.ExitCode(), said.String())
	assert.Contains(t, said.String(), "interrupt again to give up")
	assert.Contains(t, said.String(), "interrupted: the outputs are written; what was not measured: accuracy")
	assert.Equal(t, []string{certificate.Accuracy}, notMeasured(t, dir))
}

func notMeasured(t *testing.T, dir string) []string {
	t.Helper()
	for _, name := range []string{"net.c", "net.h", "net.out.dnn"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	raw, err := os.ReadFile(filepath.Join(dir, "net.json"))
	require.NoError(t, err)
	var cert certificate.Certificate
	require.NoError(t, json.Unmarshal(raw, &cert))
	assert.Nil(t, cert.Float)
	assert.Nil(t, cert.Quantized)
	assert.Zero(t, cert.Measured)
	return cert.NotMeasured
}

// TestInterruptedSearch: what ends a search ends its measurement, too.
func TestInterruptedSearch(t *testing.T) {
	dir := dnnctest.Workspace(t)
	for _, search := range []string{"qstar", "qed"} {
		soon, ask := context.WithCancel(context.Background())
		ask()
		o := driver.Defaults()
		o.Input, o.Target, o.Output, o.Emit = filepath.Join(dir, "lenet5.dnn"), "x86_64", filepath.Join(dir, "net.c"), []string{"c", "ir"}
		o.Level, o.Search, o.Budget.Bits, o.Images, o.TestImages, o.Errors, o.Soon = "robust", search, 3, 32, 20, "gaussian=0.1", soon
		err := driver.Build(context.Background(), o, io.Discard, io.Discard)
		assert.ErrorContains(t, err, "what was not measured: fidelity, accuracy", search)
		assert.Equal(t, []string{certificate.Nearness, certificate.Accuracy}, notMeasured(t, dir), search)
	}
}

// TestInterruptedTwice: nothing is written, and nothing was before there was a network.
func TestInterruptedTwice(t *testing.T) {
	dir := dnnctest.Workspace(t)
	ctx, stop := context.WithCancel(context.Background())
	stop()
	o := driver.Defaults()
	o.Input, o.Target, o.Output, o.Emit, o.Soon = filepath.Join(dir, "lenet5.dnn"), "x86_64", filepath.Join(dir, "net.c"), []string{"c"}, ctx
	assert.ErrorIs(t, driver.Build(ctx, o, io.Discard, io.Discard), context.Canceled)
	assert.NoFileExists(t, o.Output)
}
