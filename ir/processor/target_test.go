package processor_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/processor"
)

func TestEveryNameFindsItself(t *testing.T) {
	names := processor.Names()
	assert.True(t, slices.Contains(names, "armv7em:cortex-m7") && slices.Contains(names, "aarch64+dotprod"))
	for _, name := range names {
		got, err := processor.Find(name)
		require.NoError(t, err)
		assert.Equal(t, name, got.Name)
		assert.True(t, slices.IsSorted(got.Features), name)
	}
}

func TestRefine(t *testing.T) {
	for _, c := range []struct{ name, cpu, features, want, attributes string }{
		{"armv7em", "cortex-m7", "", "armv7em:cortex-m7", "+dsp,-fpregs"},
		{"armv7em", "cortex-m4", "", "armv7em", "+dsp,-fpregs"},
		{"armv8m", "", "-dsp", "armv8m-dsp", "-fpregs,-dsp"},
		{"armv8.1m", "", "-dsp", "armv8.1m-dsp-mve", "-mve.fp,-fp-armv8d16,-dsp,-mve"},
		{"aarch64", "", "dotprod", "aarch64+dotprod", "+dotprod,+neon"},
		{"aarch64", "", "+i8mm,-dotprod", "aarch64", "+neon"},
		{"aarch64", "cortex-a55", "", "aarch64:cortex-a55", "+dotprod,+neon"},
		{"aarch64", "cortex-a55", "+i8mm", "aarch64:cortex-a55+i8mm", "+dotprod,+i8mm,+neon"},
		{"aarch64:cortex-a55", "", "+i8mm", "aarch64:cortex-a55+i8mm", "+dotprod,+i8mm,+neon"},
		{"riscv32", "", "-m+a", "riscv32+a-m", "+a,+c,-m"},
		{"riscv32+zve32x", "", "", "riscv32+zve32x", "+c,+m,+zve32x,+zvl128b"},
		{"riscv32", "", "+zve32x+a", "riscv32+a+zve32x", "+a,+c,+m,+zve32x,+zvl128b"},
		{"x86_64+avxvnni", "", "", "x86_64+avxvnni", "+avx2,+avxvnni,+sse4.1"},
	} {
		x, err := processor.Find(c.name)
		require.NoError(t, err)
		x, err = x.Refine(c.cpu, c.features)
		require.NoError(t, err, c)
		assert.Equal(t, c.want, x.Name)
		assert.Equal(t, c.attributes, x.Attributes(), c.want)
		again, err := processor.Find(x.Name)
		require.NoError(t, err)
		assert.Equal(t, x, again)
	}
}

func TestUnknownNamesGetSuggestions(t *testing.T) {
	for name, want := range map[string]string{
		"arvm7em":             `did you mean "armv7em"?`,
		"aarch46+dotprod":     `did you mean "aarch64"?`,
		"cortex-m7":           "-target armv7em -mcpu cortex-m7",
		"z80":                 "dnnc targets lists them",
		"armv7em:cortex-m8":   `did you mean "cortex-m`,
		"armv7em:cortex-m33":  "",
		"aarch64:pentium":     "it has cortex-a53",
		"aarch64:haswell":     "it is a processor of -target x86_64",
		"aarch64+dotprot":     `did you mean "dotprod"?`,
		"aarch64+vectors":     "it knows dotprod i8mm",
		"armv6m+mve":          "no feature",
		"":                    "dnnc targets lists them",
		"armv7em:":            "",
		"x86_64+avx512vnni+x": "no feature",
	} {
		_, err := processor.Find(name)
		if name == "armv7em:" {
			assert.NoError(t, err)
			continue
		}
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), want, name)
	}
}

// TestRunners finds a machine for everything but what no emulator knows.
func TestRunners(t *testing.T) {
	for _, x := range processor.All() {
		r := x.Runner(0, 0)
		if x.Has("avxvnni") || x.Has("avx512vnni") {
			assert.Nil(t, r, x.Name)
			continue
		}
		require.NotNil(t, r, x.Name)
		for _, f := range x.Features {
			assert.Contains(t, r.Covers, f)
		}
	}
	m0, err := processor.Find("armv6m")
	require.NoError(t, err)
	assert.Equal(t, "microbit", m0.Runner(100<<10, 10<<10).Command[2])
	assert.Equal(t, "mps2-an385", m0.Runner(100<<10, 20<<10).Command[2])
	assert.Equal(t, "mps2-an385", m0.Runner(300<<10, 10<<10).Command[2])
	assert.Nil(t, m0.Runner(5<<20, 0))
	m7, err := processor.Find("armv7em:cortex-m7")
	require.NoError(t, err)
	assert.Equal(t, "mps2-an500", m7.Runner(0, 0).Command[2])
}

// TestPrograms fit a machine to the last byte of its memory.
func TestPrograms(t *testing.T) {
	for name, c := range map[string]struct{ flash, ram int }{
		"armv7m": {4 << 20, 4 << 20}, "armv7em": {4 << 20, 4 << 20}, "armv8m": {4 << 20, 4 << 20}, "armv8.1m": {512<<10 + 2<<20, 512 << 10},
	} {
		x, err := processor.Find(name)
		require.NoError(t, err)
		assert.NotNil(t, x.Runner(c.flash, c.ram), name)
		assert.Nil(t, x.Runner(c.flash+1, c.ram), name)
		assert.Nil(t, x.Runner(c.flash, c.ram+1), name)
	}
	m0, err := processor.Find("armv6m")
	require.NoError(t, err)
	assert.Equal(t, "microbit", m0.Runner(256<<10, 16<<10).Command[2])
	linux, err := processor.Find("armv7")
	require.NoError(t, err)
	assert.NotNil(t, linux.Runner(1<<40, 1<<40), "a Linux program has no board")
}

func TestFeatures(t *testing.T) {
	for name, want := range map[string][3]bool{ // simd, vectors, dsp
		"armv6m": {}, "armv7em": {false, false, true}, "armv8.1m": {false, true, true}, "armv7": {true, true, false}, "armv7-nofpu": {false, false, true},
		"aarch64": {true, true, false}, "x86_64": {true, true, false}, "riscv64+v": {}, "riscv32+zve32x": {}, "armv8.1m-mve": {false, false, true},
	} {
		x, err := processor.Find(name)
		require.NoError(t, err)
		assert.Equal(t, want, [3]bool{x.Has("simd"), x.Vectors(), x.Has("dsp")}, name)
		assert.False(t, x.Has("else"))
		assert.Equal(t, name == "armv6m", x.ISA() == "thumb1", name)
	}
	_, err := processor.Find("armv6m+mve")
	assert.ErrorContains(t, err, "it has none to add or take away")
	_, err = processor.Find("cortex-m7+x")
	assert.ErrorContains(t, err, "cortex-m7 is a processor of armv7em")
	x, err := processor.Find("armv8.1m:cortex-m85-mve")
	require.NoError(t, err)
	assert.Equal(t, "armv8.1m:cortex-m85-mve", x.Name)
	assert.Equal(t, "cortex-m85", x.MCA)
	for name, model := range map[string]string{"aarch64": "cortex-a53", "aarch64+dotprod": "cortex-a53", "aarch64+i8mm": "neoverse-n2", "aarch64:cortex-a76": "cortex-a76"} {
		x, err := processor.Find(name)
		require.NoError(t, err)
		assert.Equal(t, model, x.MCA, name)
	}
}
