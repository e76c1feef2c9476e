package inspect_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/inspect"
	"github.com/dnnc/dnnc/runtime/certificate"
)

// build is one that a CI job compares with a build whose 5,000 items are all answered as the
// float network answers them.
type build struct {
	wrong  int                              // every so many items, one is answered wrongly; 0: none
	change func(c *certificate.Certificate) // nil: none
	code   int
	line   string // of what dnnc says
}

var builds = map[string]build{
	"the same":        {0, nil, command.Done, `^loss: .*: holds$`},
	"5 % more flash":  {0, func(c *certificate.Certificate) { c.CodeBytes += 500 }, command.AtFault, `^flash: 10500 bytes, was 10000 \(\+500, \+5\.00 %\), at most \+2 %: FAILS$`},
	"a point less":    {100, nil, command.AtFault, `^loss: \+1\.00 points of retention \(95 % interval \+0\.72 to \+1\.28, n=5000\), at most \+0\.5: FAILS$`},
	"noise of a seed": {1000, nil, command.Done, `^loss: \+0\.10 points .*: holds$`},
	"other data":      {0, func(c *certificate.Certificate) { c.Inputs[1].SHA256 = "ee" }, command.BadUsage, `: the data are test\.npz with sha256 ee, and were test\.npz with bb$`},
	"other errors":    {0, func(c *certificate.Certificate) { c.Errors = []string{"fog=0.1"} }, command.BadUsage, `: the errors are fog=0\.1, and were gaussian=0\.1$`},
	"another target":  {0, func(c *certificate.Certificate) { c.Target = "armv7m" }, command.BadUsage, `: the target is armv7m, and was armv7em$`},
	"another schema":  {0, func(c *certificate.Certificate) { c.Version++ }, command.BadUsage, `: a certificate of version 2; this dnnc reads version 1$`},
}

// saved are the certificates before a build and of it, as files.
func (b build) saved(t *testing.T) (was, is string) {
	c := inspect.Measured(t, 5000, func(i int) bool { return b.wrong > 0 && i%b.wrong == 0 })
	if b.change != nil {
		b.change(c)
	}
	return inspect.Saved(t, "old.json", inspect.Measured(t, 5000, func(int) bool { return false })), inspect.Saved(t, "new.json", c)
}

// lines are those that match.
func lines(text, pattern string) (list []string) {
	for _, l := range strings.Split(text, "\n") {
		if regexp.MustCompile(pattern).MatchString(l) {
			list = append(list, l)
		}
	}
	return list
}

// TestGuardExits: a job sees by the exit code whether a build is past a limit or cannot be
// compared at all, and reads why in one line.
func TestGuardExits(t *testing.T) {
	for name, b := range builds {
		was, is := b.saved(t)
		code, stdout, stderr := dnnctest.Run(t, "diff", was, is, "-max", "flash=+2%,ram=+0,cycles=+2%,loss=+0.5")
		assert.Equal(t, b.code, code, name)
		assert.Len(t, lines(stdout+stderr, b.line), 1, "%s\n%s%s", name, stdout, stderr)
		assert.Len(t, lines(stdout, `FAILS$`), map[int]int{command.AtFault: 1}[code], name)
		if code == command.Done {
			assert.Empty(t, stderr, name)
			continue
		}
		assert.Regexp(t, `(?m)^ +help: .*-accept`, stderr, "%s: the way out", name)
		if code == command.BadUsage { // the other way round, too
			code, _, _ = dnnctest.Run(t, "diff", is, was, "-max", "loss=+0.5")
			assert.Equal(t, command.BadUsage, code, name)
		}
	}
}

// TestActionExits runs the script of the GitHub Action as GitHub does: it ends as dnnc ends,
// though its output also goes to the summary of the job.
func TestActionExits(t *testing.T) {
	dnnctest.Need(t, "bash")
	raw, err := os.ReadFile(dnnctest.Root + "/.github/actions/guard/action.yml")
	require.NoError(t, err)
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Shell, Run string
				Env        map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(raw, &action))
	require.Len(t, action.Runs.Steps, 1)
	step := action.Runs.Steps[0]
	require.Equal(t, "bash", step.Shell)
	for name, b := range builds {
		was, is := b.saved(t)
		given := map[string]string{"old": was, "new": is, "dnnc": dnnctest.Path(t)}
		script := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run) // GitHub's shell: bash
		summary := filepath.Join(t.TempDir(), "summary")
		script.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+summary)
		for variable, value := range step.Env {
			input := regexp.MustCompile(`^\$\{\{ inputs\.(\w+) \}\}$`).FindStringSubmatch(value)
			require.NotNil(t, input, value)
			if given[input[1]] == "" {
				given[input[1]] = action.Inputs[input[1]].Default
			}
			script.Env = append(script.Env, variable+"="+given[input[1]])
		}
		said, err := script.CombinedOutput()
		code := 0
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			code = failed.ExitCode()
		}
		assert.Equal(t, b.code, code, "%s\n%s", name, said)
		assert.Len(t, lines(string(said), b.line), 1, "%s\n%s", name, said)
	}
}
