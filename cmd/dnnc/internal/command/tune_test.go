package command_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/bench"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/runtime/certificate"
)

func recordOf(t *testing.T, path string) (c certificate.Certificate) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &c))
	return c
}

// sizes are what tuning must not change. The code may hold single constants, whose lengths differ, and
// so do the registers that they take: see mostSpilled.
func sizes(c certificate.Certificate) []any {
	return []any{c.WeightBytes, c.OtherBytes, c.ArenaBytes, c.Cycles}
}

// mostSpilled is the bytes of the stack by which constants of other lengths may change it: two registers.
const mostSpilled = 8

// tuned is the items of a set that tell surely that tuning helps, where weights are rounded to the nearest: of weights
// that are rounded on data it improves little in networks as small as these.
const tuned = 900

// TestTune: of labels along a signal and of numbers of 16 bits, tuning says what it did, its
// certificate does, and verify does the same build again.
func TestTune(t *testing.T) {
	path := dnnctest.SensorsFolderOf(t, tuned)
	for _, name := range []string{"tones", "sensors"} {
		args := []string{path(name + ".dnn"), "-target", "armv7em", "-O", "universal", "-bits", "2", "-rounding", "nearest", "-errors", "gaussian=0.05", "-calib", path(name + ".npz"), "-o", path(name + ".o")}
		dnnctest.Succeed(t, args...)
		plain := dnnctest.Contents(t, path(""), name+".o")
		before := recordOf(t, path(name+".json"))
		assert.Nil(t, before.Tuning, "nothing asked for it")
		code, _, stderr := dnnctest.Run(t, append(args, "-tune", "1e8")...)
		require.Equal(t, command.Done, code, stderr)
		assert.Regexp(t, `tuned by \d+ steps on \d+ images: divergence [\d.e-]+ -> [\d.e-]+ on \d+ other disturbed images`, stderr, name)
		after := recordOf(t, path(name+".json"))
		own := after.Tuning
		require.NotNil(t, own)
		assert.Equal(t, sizes(before), sizes(after))
		assert.InDelta(t, before.StackBytes, after.StackBytes, mostSpilled)
		assert.Less(t, own.After, own.Before)
		assert.LessOrEqual(t, own.MACs, 1e8)
		assert.NotEqual(t, plain, dnnctest.Contents(t, path(""), name+".o"))
	}
	dnnctest.Succeed(t, "verify", path("tones.o"), "-n", "3")
}

// mostLonger is the instructions of a run by which constants of other lengths may change it, of each
// step.
const mostLonger = 8

// TestTunedOnAllTargets: a tuned network answers as its integers say on each target, and takes the
// memory and instructions that it took before.
func TestTunedOnAllTargets(t *testing.T) {
	path := dnnctest.SensorsFolderOf(t, tuned)
	for _, name := range []string{"plain", "tuned"} {
		args := []string{path("tones.dnn"), "-target", "armv7em", "-O", "universal", "-bits", "2", "-rounding", "nearest", "-errors", "gaussian=0.05", "-calib", path("tones.npz"), "-stop-after", "tune", "-emit", "ir", "-o", path(name + ".dnn")}
		if name == "tuned" {
			args = append(args, "-tune", "1e8")
		}
		dnnctest.Succeed(t, args...)
	}
	texts := dnnctest.Contents(t, path(""), "plain.dnn", "tuned.dnn")
	require.NotEqual(t, texts["plain.dnn"], texts["tuned.dnn"], "a dump names the hash of its constants")
	for _, target := range []string{"armv7em", "armv7", "x86_64"} {
		reports := map[string]bench.Report{}
		for _, name := range []string{"plain", "tuned"} {
			code, stdout, stderr := dnnctest.Run(t, "bench", path(name+".dnn"), "-target", target, "-images", "2", "-layers", "-json")
			require.Equal(t, command.Done, code, stderr)
			var r bench.Report
			require.NoError(t, json.Unmarshal([]byte(stdout), &r))
			reports[name] = r
		}
		plain, tuned := reports["plain"], reports["tuned"]
		assert.Equal(t, plain.Arena, tuned.Arena, target)
		assert.InDelta(t, plain.Instructions, tuned.Instructions, float64(mostLonger*len(plain.Layers)), target)
		code, stdout, stderr := dnnctest.Run(t, "verify", path("tuned.dnn"), "-target", target, "-n", "3", "-data", path("tones.npz"))
		require.Equal(t, command.Done, code, stdout+stderr)
	}
}

// TestTuneIsRefused where it has no sense, with a way out; too little of it leaves the network,
// and says so.
func TestTuneIsRefused(t *testing.T) {
	path := dnnctest.SensorsFolderOf(t, tuned)
	common := []string{"-target", "x86_64", "-errors", "gaussian=0.05", "-calib", path("tones.npz"), "-emit", "c", "-o", path("out.c")}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{path("tones.dnn"), "-tune", "quick"}, "-tune quick: -O int8 is never tuned"},
		{[]string{path("tones.dnn"), "-O", "universal", "-tune", "quick", "-stop-after", "quantize"}, "-tune quick: -stop-after quantize ends before the pass tune"},
		{[]string{path("tones.dnn"), "-O", "universal", "-tune", "quik"}, `did you mean "quick"`},
		{[]string{path("tones.dnn"), "-O", "universal", "-tune", "-3"}, "-tune -3: an effort is off, quick, default, long, or a number"},
		{[]string{path("tones.dnn"), "-O", "universal", "-tune", "1_0e9"}, "-tune 1_0e9: an effort is off, quick, default, long, or a number"},
		{[]string{path("tones.dnn"), "-O", "universal", "-tune", "quick", "-augment", "none,flip"}, "-augment none,flip: a list of crop, flip, shift, or none alone"},
	} {
		code, _, stderr := dnnctest.Run(t, append(c.args, common...)...)
		assert.Equal(t, command.AtFault, code, c.want)
		assert.Contains(t, stderr, c.want)
		assert.NoFileExists(t, path("out.c"))
	}
	code, _, stderr := dnnctest.Run(t, path("tones.dnn"), "-target", "x86_64", "-O", "universal", "-tune", "quick", "-emit", "c", "-o", path("out.c"))
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "-tune quick: no images to tune on")
	whole := []string{path("tones.dnn"), "-target", "x86_64", "-O", "universal", "-bits", "2", "-rounding", "nearest", "-errors", "gaussian=0.05", "-calib", path("tones.npz")}
	dnnctest.Succeed(t, append(whole, "-stop-after", "quantize", "-emit", "ir", "-o", path("ints.dnn"))...)
	code, _, stderr = dnnctest.Run(t, append([]string{path("ints.dnn"), "-O", "universal", "-tune", "quick"}, common...)...)
	assert.Equal(t, command.AtFault, code)
	assert.Contains(t, stderr, "the float network that teaches it is not there")
	assert.Contains(t, stderr, "help: tune from the source, or from a dump of -stop-after robust")

	dnnctest.Succeed(t, append(whole, "-stop-after", "robust", "-emit", "ir", "-o", path("widths.dnn"))...)
	code, _, stderr = dnnctest.Run(t, append([]string{path("widths.dnn"), "-O", "universal", "-tune", "1e8"}, common...)...)
	assert.Equal(t, command.Done, code, stderr)
	assert.Contains(t, stderr, "tuned by", "of a dump whose widths may be edited")
	code, _, stderr = dnnctest.Run(t, append(whole, "-tune", "1000", "-emit", "c", "-o", path("out.c"))...)
	assert.Equal(t, command.Done, code, stderr)
	assert.Contains(t, stderr, "tuning declined: 1e+03 multiply-adds are 0 steps")
	own := recordOf(t, path("out.json")).Tuning
	require.NotNil(t, own)
	assert.Contains(t, own.Declined, "0 steps")
}
