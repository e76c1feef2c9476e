package command_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/ir/version"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// TestManTellsOfEveryCommandAndFlag; where groff is, it must find nothing to
// complain about.
func TestManTellsOfEveryCommandAndFlag(t *testing.T) {
	code, page, stderr := dnnctest.Run(t, "man")
	require.Zero(t, code, stderr)
	m := command.AboutAll()
	for _, c := range m.Commands {
		assert.Contains(t, page, ".B "+c.Name)
	}
	_, help, _ := dnnctest.Run(t, "-help")
	count := 0
	for _, line := range strings.Split(help, "\n") {
		if name, is := strings.CutPrefix(line, "  -"); is {
			count++
			assert.Contains(t, page, `.B \-`+strings.ReplaceAll(strings.Fields(name)[0], "-", `\-`))
		}
	}
	assert.Greater(t, count, 30)
	if _, err := exec.LookPath("groff"); err != nil {
		return
	}
	c := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z")
	c.Stdin = strings.NewReader(page)
	out, err := c.CombinedOutput()
	require.NoError(t, err)
	assert.Empty(t, string(out))
}

// TestCompletion asks bash what follows some beginnings.
func TestCompletion(t *testing.T) {
	code, script, stderr := dnnctest.Run(t, "completion", "bash")
	require.Zero(t, code, stderr)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.dnn"), nil, 0o644))
	for words, want := range map[string]string{
		"dnnc ver":                "verify",
		"dnnc net.dnn -targ":      "-target",
		"dnnc net.dnn -target ar": "armv7",
		"dnnc -O rob":             "robust",
		"dnnc eval ne":            "net.dnn",
		"dnnc -o net.":            "net.dnn",
		"dnnc -emit li":           "lib",
	} {
		list := strings.Split(words, " ")
		ask := script + "\nCOMP_WORDS=(" + words + ") COMP_CWORD=" + string(rune('0'+len(list)-1)) + "\n_dnnc\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
		assert.Contains(t, strings.Fields(dnnctest.Tool(t, dir, "bash", "-c", ask)), want, words)
	}
	code, _, stderr = dnnctest.Run(t, "completion", "bahs")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, `did you mean "bash"`)
	code, _, stderr = dnnctest.Run(t, "completion")
	assert.Equal(t, command.BadUsage, code)
	assert.Contains(t, stderr, "usage:")
}

// TestVersions holds what stands in files to the one place of versions.
func TestVersions(t *testing.T) {
	code, stdout, stderr := dnnctest.Run(t, "version")
	require.Zero(t, code, stderr)
	for _, v := range []string{version.Compiler, version.Language, version.Certificate, version.Interface} {
		assert.Regexp(t, `^\d+\.\d+\.\d+$`, v)
		assert.Contains(t, stdout, v)
	}
	assert.Equal(t, version.Major(version.Certificate), strconv.Itoa(certificate.Version))
	changes, err := os.ReadFile(dnnctest.Root + "/CHANGELOG.md")
	require.NoError(t, err)
	for _, line := range strings.Split(strings.TrimSpace(stdout), "\n") {
		assert.Contains(t, string(changes), line)
	}
}

// completed are beginnings, and what a tab makes of them.
var completed = map[string]string{
	"verif": "verify", "-targ": "-target", "net.dnn -target armv7e": "net.dnn -target armv7em", "-O rob": "-O robust", "eval ne": "eval net.dnn", "-o net.": "-o net.dnn",
}

// completionOf writes the completions for a shell into a folder with a network.
func completionOf(t *testing.T, shell, name string) (dir string) {
	dnnctest.Need(t, shell)
	dir = t.TempDir()
	code, script, stderr := dnnctest.Run(t, "completion", shell)
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.dnn"), nil, 0o644))
	return dir
}

func TestFishCompletes(t *testing.T) {
	dir := completionOf(t, "fish", "dnnc.fish")
	for line, want := range completed {
		words := strings.Fields(want)
		got := dnnctest.Tool(t, dir, "fish", "--no-config", "-c", "source dnnc.fish; complete -C 'dnnc "+line+"'")
		var list []string
		for _, l := range strings.Split(got, "\n") {
			list = append(list, strings.Split(l, "\t")[0])
		}
		assert.Contains(t, list, words[len(words)-1], line)
	}
}

// TestZshCompletes types into an interactive zsh; the first tab of a session counts,
// at which zsh loads the completion.
func TestZshCompletes(t *testing.T) {
	dir := completionOf(t, "zsh", "_dnnc")
	for from, to := range map[string]string{"ask.zsh": "ask.zsh", "zshrc": ".zshrc"} {
		text, err := os.ReadFile("testdata/" + from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), text, 0o644))
	}
	var lines, want []string
	for line, whole := range completed {
		lines, want = append(lines, line), append(want, whole)
	}
	got := dnnctest.Tool(t, dir, "zsh", append([]string{"-f", "ask.zsh"}, lines...)...)
	assert.Equal(t, want, strings.Split(strings.TrimSpace(got), "\n"))
}

// TestDoctor: on this machine, and on one that has nothing.
func TestDoctor(t *testing.T) {
	dnnctest.Need(t, "opt-19", "ld.lld-19", "qemu-arm", "qemu-system-arm")
	code, stdout, stderr := dnnctest.Run(t, "doctor", "armv6m", "armv7")
	require.Zero(t, code, stderr)
	assert.Regexp(t, `opt-19 +19\.`, stdout)
	for _, target := range []string{"armv6m", "armv7"} {
		assert.Regexp(t, "(?m)^"+target+" +bit-exact by qemu", stdout)
	}
	t.Setenv("PATH", t.TempDir())
	code, stdout, stderr = dnnctest.Run(t, "doctor")
	assert.Equal(t, command.AtFault, code)
	assert.Regexp(t, `opt-19 +missing +apt-get install llvm-19`, stdout)
	assert.Regexp(t, `(?m)^armv7 .*LLVM's opt and llc are not installed \(on Debian: apt-get install llvm-19; with Python: pip install dnnc\[llvm\]; -emit c needs no LLVM\)`, stdout)
	assert.Contains(t, stderr, "do not work here: armv6m")
	code, _, stderr = dnnctest.Run(t, "doctor", "armv77")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, `no target "armv77"`)
	// One whose LLVM is broken, by what it says itself.
	broken := t.TempDir()
	for _, name := range []string{"opt-19", "llc-19"} {
		require.NoError(t, os.WriteFile(filepath.Join(broken, name), []byte("#!/bin/sh\nexit 7\n"), 0o755))
	}
	t.Setenv("PATH", broken+":/bin")
	code, stdout, _ = dnnctest.Run(t, "doctor")
	assert.Equal(t, command.AtFault, code)
	assert.Regexp(t, `opt-19 +broken: exit status 7`, stdout)
}

func TestHelpOfOneCommand(t *testing.T) {
	code, said, _ := dnnctest.Run(t, "help", "report")
	require.Zero(t, code)
	assert.Contains(t, said, "usage: dnnc report [flags] net.dnn -data FILE\n")
	for flag, is := range map[string]bool{"data": true, "sizes": true, "results": true, "quick": false, "sheet": false, "plane": false} {
		assert.Equal(t, is, regexp.MustCompile(`(?m)^  -`+flag+`\b`).MatchString(said), flag)
	}
	code, said, _ = dnnctest.Run(t, "help", "man")
	require.Zero(t, code)
	assert.Equal(t, "usage: dnnc man > dnnc.1\nthe man page\n", said)
	// However it is asked for.
	for _, args := range [][]string{{"man", "-h"}, {"man", "--help"}, {"verify", dnnctest.Lenet, "-help"}, {"verify", "-h"}, {"fuzz", "--help"}} {
		code, said, stderr := dnnctest.Run(t, args...)
		require.Zero(t, code, args)
		assert.Empty(t, stderr)
		_, want, _ := dnnctest.Run(t, "help", args[0])
		assert.Equal(t, want, said, args)
	}
	code, said, _ = dnnctest.Run(t, "help")
	require.Zero(t, code)
	for _, flag := range []string{"-h", "-help", "--help"} {
		code, all, stderr := dnnctest.Run(t, flag)
		require.Zero(t, code, flag)
		assert.Empty(t, stderr, flag)
		assert.Equal(t, said, all, flag)
	}
	code, _, stderr := dnnctest.Run(t, "help", "reprot")
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, `did you mean "report"?`)
}

// TestNetworksWithoutLayers have one size: there is no curve.
func TestNetworksWithoutLayers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.dnn")
	require.NoError(t, os.WriteFile(path, []byte("network n(x: f32[2,4,4] in [0,1]) -> f32[2] {\n  y = flatten(globalavgpool(x))\n  return y\n}\n"), 0o644))
	for _, args := range [][]string{{"pareto"}, {"pareto", "-json"}, {"pareto", "-o", filepath.Join(dir, "c.json")}, {"compare"}, {"report", "-o", filepath.Join(dir, "r.html")}} {
		code, stdout, stderr := dnnctest.Run(t, append(args, path, "-task", "classes", "-n", "4", "-images", "4")...)
		assert.Equal(t, command.AtFault, code, "%v: %s", args, stderr)
		assert.Contains(t, stderr, "n.dnn:1:1: bad-value: the network has no layer with weights", args)
		assert.NotContains(t, stdout+stderr, "NaN", args)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1)
}
