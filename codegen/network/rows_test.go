package network_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/stripes"
)

// TestRows: random networks whose input the caller gives by rows compute what the interpreter
// computes of the whole input, in its arena mode and in the loop program, in as much memory as
// kernels like and in the least.
func TestRows(t *testing.T) {
	t.Parallel()
	n := 10
	if testing.Short() {
		n = 4
	}
	longer, refused := 0, 0
	for _, name := range []string{"armv7em", "armv7", "armv8.1m", "riscv32"} {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(5, uint64(len(name))))
		for i := range n {
			text, shape, tensors := picture(t, rng)
			if len(tensors) == 0 {
				continue
			}
			format := []ir.Elem{ir.Of(ir.I8), ir.OddOf(4), ir.OddOf(1)}[i%3]
			for _, ram := range []int{0, 1} {
				m, err := plannedByRows(t, text, shape, tensors, tgt, format, ram)
				var d *diag.Diagnostic
				if errors.As(err, &d) && d.Kind == diag.Unsupported { // a mean over padding reads the image
					refused++
					break
				}
				if ram == 1 {
					require.ErrorContains(t, err, "-ram allows 1")
				} else {
					require.NoError(t, err, "%s\n%s", name, text)
				}
				require.True(t, m.Inputs[0].ByRows())
				require.Empty(t, ir.Verify(m), "%s", m)
				chains := m.Chains()
				require.NotEmpty(t, chains)
				if chains[0].To > chains[0].From {
					longer++
				}
				in, out := cases(t, m, 3)
				require.Equal(t, out, inArena(t, m, in), "%s\n%s", name, m)
				if !assert.Equal(t, out, evaluated(t, m, in), "%s\n%s", name, m) {
					return
				}
			}
		}
	}
	assert.Greater(t, longer, n)
	assert.Less(t, refused, n)
	t.Log(longer, "long chains,", refused, "refused")
}

// fed is the network of striped with an input that the caller gives by rows.
func fed(t *testing.T, target string, ram int) *ir.Module {
	tgt, err := processor.Find(target)
	require.NoError(t, err)
	text, shape, tensors := stripedNetwork(t)
	m, err := plannedByRows(t, text, shape, tensors, tgt, ir.Of(ir.I8), ram)
	require.NoError(t, err)
	return m
}

// TestRowsInObjects: objects that ask for rows compute the interpreter's integers, ask for each row
// once, and write nothing else.
func TestRowsInObjects(t *testing.T) {
	t.Parallel()
	targets := []string{"armv7em", "x86_64"}
	if os.Getenv("DNNC_FULL") != "" {
		targets = append(targets, "armv6m", "armv7m", "armv8m", "armv8.1m", "armv7", "aarch64", "aarch64+dotprod", "riscv32", "riscv64", "riscv64+v")
	}
	for _, name := range targets {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			m := fed(t, name, 0)
			in, out := cases(t, m, 3)
			conformObject(t, m, tgt, in, out)
		})
	}
}

// asking runs a network that asks for rows on records of standard input, as a whole and stripe by
// stripe; and shows that a run which is given up ends with the caller's number.
const asking = `#include <stdint.h>
#include <stdio.h>
#include <string.h>
struct net_rows { int (*next)(void *context, int8_t *row); void *context; };
int net_run(const struct net_rows *, int8_t *, void *);
int net_run_begin(void *);
int net_run_step(const struct net_rows *, int8_t *, void *);
struct camera { const int8_t *at; int rows, most; };
static int8_t in[%[1]d], out[%[2]d], again[%[2]d];
static uint64_t arena[%[3]d / 8 + 8];
static int next(void *context, int8_t *row) {
  struct camera *c = context;
  if (c->rows == c->most) return 7;
  memcpy(row, c->at, %[4]d);
  c->at += %[4]d;
  c->rows++;
  return 0;
}
int main(void) {
  while (fread(in, sizeof in, 1, stdin) == 1) {
    struct camera c = { in, 0, 1000 };
    struct net_rows rows = { next, &c };
    int left, calls = 0, most;
    if (net_run(&rows, out, arena) || c.rows != %[5]d) return 1;
    c.at = in, c.rows = 0;
    net_run_begin(arena);
    do { left = net_run_step(&rows, again, arena); calls++; } while (left > 0);
    if (left || calls != %[6]d || c.rows != %[5]d || memcmp(out, again, sizeof out)) return 2;
    for (most = 0; most < %[5]d; most++) {
      c.at = in, c.rows = 0, c.most = most;
      if (net_run(&rows, again, arena) != 7 || c.rows != most) return 3;
      c.at = in, c.rows = 0;
      net_run_begin(arena);
      do left = net_run_step(&rows, again, arena); while (left > 0);
      if (left != -1 || net_run_step(&rows, again, arena) != -1) return 4;
    }
    fwrite(out, sizeof out, 1, stdout);
  }
  return 0;
}
`

// TestRowsInC: the C text of a network that asks for rows compiles with every warning, and does what
// the interface promises.
func TestRowsInC(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip(err)
	}
	m := fed(t, "armv7em", 0)
	units, err := stripes.Units(m)
	require.NoError(t, err)
	steps := 0
	for _, u := range units {
		steps += u.Steps
	}
	p, err := network.Write(m, network.Interface{Prefix: "net"})
	require.NoError(t, err)
	in, want := cases(t, m, 4)
	x := m.Inputs[0]
	main := fmt.Sprintf(asking, x.Type.Shape.Size(), m.Outputs[0].Type.Shape.Size(), network.StepState(m)+network.StepStateBytes, x.RowBytes(), x.Type.Shape[1], steps)
	require.Equal(t, bytes.Join(want, nil), runInC(t, p, main, in))
}
