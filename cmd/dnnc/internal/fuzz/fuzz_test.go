package fuzz

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/kernel"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/ir/target"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestRandomNetworks is a part of what dnnc fuzz does at length.
func TestRandomNetworks(t *testing.T) {
	n, objects := 100, 4
	if os.Getenv("DNNC_FULL") != "" {
		n, objects = 3000, 300
	}
	for _, f := range All(context.Background(), 1000, n, nil, func(int, int) {}) {
		t.Errorf("seed %d, format %s: %v\n%s", f.Network.Seed, f.Network.Format, f.Err, f.Network.Source())
	}
	if testing.Short() {
		return
	}
	var targets []*target.Target
	for _, name := range []string{"x86_64", "armv7"} {
		tgt, err := target.Find(name)
		require.NoError(t, err)
		if _, err := llvm.Find(""); err != nil {
			t.Skip(err)
		}
		if err := emu.Check(tgt); err != nil {
			t.Skip(err)
		}
		targets = append(targets, tgt)
	}
	for _, f := range All(context.Background(), 2000, objects, targets, func(int, int) {}) {
		t.Errorf("seed %d, format %s: %v\n%s", f.Network.Seed, f.Network.Format, f.Err, f.Network.Source())
	}
}

// TestCFilesOfRandomNetworks compiles random networks' C files for 64 and 32 bits
// under the warnings that the file must be free of; what they compute, the tests of
// codegen/kernel compare.
func TestCFilesOfRandomNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("not short")
	}
	n := 8
	if os.Getenv("DNNC_FULL") != "" {
		n = 1000
	}
	var targets []*target.Target
	for _, name := range []string{"x86_64", "armv7", "armv7em", "armv6m"} {
		tgt, err := target.Find(name)
		require.NoError(t, err)
		targets = append(targets, tgt)
	}
	nets, texts := make([]*Network, n), make([]string, n)
	for i := range n {
		nets[i] = Random(3000 + uint64(i))
		path, err := nets[i].write(t.TempDir())
		require.NoError(t, err)
		m, err := compile(context.Background(), nets[i], path, targets[i%len(targets)])
		require.NoError(t, err)
		program, err := kernel.Program(m, kernel.Interface{Prefix: "net"})
		require.NoError(t, err)
		texts[i] = c.Print(program)
	}
	warnings := []string{"-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror", "-fsyntax-only", "-xc", "-"}
	for _, cc := range [][]string{{"gcc"}, {"clang-19"}, {"arm-linux-gnueabihf-gcc"}, {"clang-19", "--target=arm-linux-gnueabihf"}} {
		t.Run(strings.Join(cc, " "), func(t *testing.T) {
			if _, err := exec.LookPath(cc[0]); err != nil {
				t.Skip(err)
			}
			for i, text := range texts {
				command := exec.Command(cc[0], append(cc[1:], warnings...)...)
				command.Stdin = strings.NewReader(text)
				out, err := command.CombinedOutput()
				require.NoError(t, err, "seed %d, format %s:\n%s\n%s", nets[i].Seed, nets[i].Format, nets[i].Source(), out)
			}
		})
	}
}

// TestReduce: a network that fails for one of its operations is reduced to it.
func TestReduce(t *testing.T) {
	found := 0
	for seed := uint64(1); seed < 200; seed++ {
		strided := func(n *Network) bool {
			live := n.live()
			for i, x := range n.Nodes {
				if live[i] && x.Op == "conv2d" && x.Stride[0] > 1 && x.Pad[1] > 0 {
					return true
				}
			}
			return false
		}
		n := Random(seed)
		require.True(t, n.sound(), "%d", seed)
		if !strided(n) {
			continue
		}
		found++
		r := Reduce(n, strided)
		require.Len(t, r.Nodes, 1, r.Source())
		x := r.Nodes[0]
		assert.Equal(t, []int{1, 1, 1, 2, 1}, []int{x.Filters, x.Kernel[0], x.Groups, x.Stride[0], x.Pad[1]}, r.Source())
		assert.Equal(t, "i8", r.Format)
	}
	assert.Positive(t, found)
}

// TestMismatchesAreSeen plants faults where two ways are compared.
func TestMismatchesAreSeen(t *testing.T) {
	assert.Error(t, compare(0, []byte{1, 2}, []byte{1, 3}))
	assert.Error(t, compare(0, []byte{1, 2}, []byte{1}))
	assert.NoError(t, compare(0, []byte{1, 2}, []byte{1, 2}))
	n := Random(5)
	n.Format = "odd9"
	assert.ErrorContains(t, Check(context.Background(), n, nil), "no format")
	n.Nodes[0].Op = "unknown"
	assert.Error(t, Check(context.Background(), n, nil))
}

func TestRandomIsDeterministic(t *testing.T) {
	assert.Equal(t, Random(3), Random(3))
	assert.NotEqual(t, Random(3).Source(), Random(4).Source())
	var out bytes.Buffer
	require.NoError(t, Run(context.Background(), []string{"3", "7", "none"}, nil, &out, io.Discard))
	assert.Contains(t, out.String(), "3 networks from seed 7")
	for _, args := range [][]string{{"0"}, {"x"}, {"1", "-1"}, {"1", "1", "armv99"}} {
		assert.Error(t, Run(context.Background(), args, nil, &out, io.Discard), args)
	}
}
