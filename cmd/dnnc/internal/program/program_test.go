package program_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	library "github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/program"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/runtime/emu"
)

// TestEveryInterfaceComputesTheSame runs objects as a whole and step by step: plain,
// with hooks, with weights in a section of their own, and with lent ones.
func TestEveryInterfaceComputesTheSame(t *testing.T) {
	dnnctest.Need(t, "opt-19", "ld.lld-19")
	ctx := context.Background()
	for _, name := range []string{"x86_64", "armv7", "armv7em", "armv6m"} {
		t.Run(name, func(t *testing.T) {
			tgt, err := processor.Find(name)
			require.NoError(t, err)
			if err := emu.Check(tgt); err != nil {
				t.Skip(err)
			}
			o := driver.Defaults()
			o.Input, o.Target, o.Images, o.Level, o.Budget.Bits, o.Rounding = dnnctest.Small(t), name, 16, "universal", 3, "nearest"
			r, err := driver.Compile(ctx, o, &strings.Builder{}, &strings.Builder{})
			require.NoError(t, err)
			image := make([]byte, 28*28)
			for i := range image {
				image[i] = byte(i * 7)
			}
			var want []byte
			for _, set := range []func(c *library.Config){
				func(*library.Config) {}, func(c *library.Config) { c.Section = ".extflash" }, func(c *library.Config) { c.Hooks, c.Lend = true, true },
			} {
				b, err := program.New(ctx, r.With(set))
				require.NoError(t, err)
				defer b.Close()
				for _, mode := range []program.Mode{program.Whole, program.Stepped} {
					p, err := b.Link(ctx, mode)
					require.NoError(t, err)
					got, err := p.Run(ctx, [][]byte{image, image})
					require.NoError(t, err)
					require.Equal(t, []byte{0, 0}, got.Status, "mode %d, hooks %v, lend %v", mode, b.Result.Config.Hooks, b.Result.Config.Lend)
					if want == nil {
						want = got.Outputs[0]
					}
					assert.Equal(t, [][]byte{want, want}, got.Outputs)
				}
			}
		})
	}
}
