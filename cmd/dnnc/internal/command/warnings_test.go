package command_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestReadmeListsWarnings holds the README of this folder to dnnc help warnings.
func TestReadmeListsWarnings(t *testing.T) {
	code, want, stderr := dnnctest.Run(t, "help", "warnings")
	require.Zero(t, code, stderr)
	rowsAreWhole(t, want)
	generated(t, dnnctest.Root+"/cmd/dnnc/README.md", "warnings", "ReadmeListsWarnings", want)
}

// TestWarningsAreInTheTable: each name that a warning is made with is a row.
func TestWarningsAreInTheTable(t *testing.T) {
	used := map[string]bool{}
	made := regexp.MustCompile(`diag\.Warn\(diag\.(\w+)`)
	declared := map[string]string{}
	text, err := os.ReadFile(dnnctest.Root + "/ir/diag/warning.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) += "([a-z-]+)"$`).FindAllStringSubmatch(string(text), -1) {
		declared[m[1]] = m[2]
	}
	require.NoError(t, filepath.WalkDir(dnnctest.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range made.FindAllStringSubmatch(string(text), -1) {
			used[declared[m[1]]] = true
		}
		return err
	}))
	names := diag.WarningNames()
	assert.Len(t, used, len(names))
	for _, name := range names {
		assert.True(t, used[name], "nothing warns of %s", name)
	}
}

// TestWarnings: a warning is printed unless it is silenced, stands in the certificate
// always, and is an error where -Werror says so: then nothing is written.
func TestWarnings(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	const warning = "dnnc: warning: [no-calibration] no calibration data"
	for _, c := range []struct {
		name, flags string
		code        int
		warns       bool
	}{
		{"as it is", "", command.Done, true},
		{"silenced", "-Wno-no-calibration", command.Done, false},
		{"silenced, and no longer", "-Wno-no-calibration -Wno-no-calibration=false", command.Done, true},
		{"an error", "-Werror", command.AtFault, true},
		{"an error no longer", "-Werror -Werror=false", command.Done, true},
		{"an error by its name", "-Werror=seen-images,no-calibration", command.AtFault, true},
		{"another is an error", "-Werror=seen-images", command.Done, true},
		{"an error that is silenced", "-Werror -Wno-no-calibration", command.Done, false},
		{"unknown to -Werror", "-Werror=calibration", command.BadUsage, false},
		{"unknown to -Wno", "-Wno-calibration", command.BadUsage, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "net.c")
			args := append([]string{path("value.dnn"), "-target", "x86_64", "-images", "4", "-emit", "c", "-o", out}, strings.Fields(c.flags)...)
			code, _, stderr := dnnctest.Run(t, args...)
			assert.Equal(t, c.code, code, stderr)
			assert.Equal(t, c.warns, strings.Contains(stderr, warning), stderr)
			raw, err := os.ReadFile(strings.TrimSuffix(out, ".c") + ".json")
			if c.code != command.Done {
				assert.ErrorIs(t, err, os.ErrNotExist)
				assert.NoFileExists(t, out)
				return
			}
			require.NoError(t, err)
			var cert certificate.Certificate
			require.NoError(t, json.Unmarshal(raw, &cert))
			require.NotEmpty(t, cert.Warnings)
			assert.Equal(t, diag.NoCalibration, cert.Warnings[0].Name)
			assert.NotEmpty(t, cert.Warnings[0].Help)
		})
	}
}

// TestWerrorOfOtherCommands: the exit code tells, although they print their results.
func TestWerrorOfOtherCommands(t *testing.T) {
	args := []string{"eval", dnnctest.Lenet, "-errors", "none", "-images", "16", "-n", "10", "-data", dnnctest.TrainImages}
	code, stdout, stderr := dnnctest.Run(t, append(args, "-Werror")...)
	assert.Equal(t, command.AtFault, code, stderr)
	assert.Contains(t, stderr, "check-failed: -Werror: warnings that are errors: seen-images")
	assert.Contains(t, stdout, "clean")
	code, _, stderr = dnnctest.Run(t, append(args, "-Werror", "-Wno-seen-images")...)
	assert.Zero(t, code, stderr)
}
