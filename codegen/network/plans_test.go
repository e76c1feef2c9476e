package network_test

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/kernel/families"
	"github.com/dnnc/dnnc/ir/processor"
)

// TestPlansAreTheirAttributes: what a family plans for a layer of the conformance suite
// is what it reads back from the attributes, and weights are packed to ir.PackedBytes.
func TestPlansAreTheirAttributes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("no parallel code to race")
	}
	list := []string{"i8", "odd3", "odd1", "vec4x8", "code3"}
	if os.Getenv("DNNC_FULL") != "" {
		list = formats()
	}
	seen := map[string]bool{}
	for _, name := range processor.Names() {
		tgt, err := processor.Find(name)
		require.NoError(t, err)
		for i, format := range list {
			if os.Getenv("DNNC_FULL") == "" && i > 1 && (len(name)+i)%3 > 0 {
				continue // each format on a third of the targets
			}
			m := conform(t, tgt, format, nil)
			for _, n := range m.Ops {
				for _, f := range families.Table {
					p, ok := f.Serves(kernel.Of(n, tgt))
					if !ok {
						continue
					}
					seen[f.Name] = true
					attrs := slices.Clone(n.Attrs)
					f.Assign(n, p)
					again, err := families.Restore(n, tgt)
					require.NoError(t, err, "%s %s %s", name, format, n.Name())
					require.True(t, p == again, "%s %s %s %s:\n%+v\n%+v", name, format, n.Name(), f.Name, p, again)
					if packer, ok := p.(kernel.Packer); ok {
						planes, err := packer.Pack(kernel.Of(n, tgt))
						require.NoError(t, err)
						bytes := 0
						for _, plane := range planes {
							bytes += len(plane)
						}
						w := n.Const(ir.AttrWeight).Type
						require.InDelta(t, ir.PackedBytes(w.Elem, w.Shape), bytes, kernel.Slack, "%s %s %s %s", name, format, n.Name(), f.Name)
					}
					n.Attrs = attrs
				}
			}
		}
	}
	for _, f := range families.Table {
		if f.Op.HasWeights() {
			assert.True(t, seen[f.Name], "no layer of the suite is served by %s", f.Name)
		}
	}
}

// TestForeignAttributesAreRefused: attributes that no plan of the family has, as a hand
// leaves them in a dump, are an error and no wrong object.
func TestForeignAttributesAreRefused(t *testing.T) {
	t.Parallel()
	tgt, err := processor.Find("armv7em")
	require.NoError(t, err)
	for _, format := range []string{"i8", "odd3", "odd1", "vec4x8", "code3"} {
		m := conform(t, tgt, format, nil)
		for _, n := range m.Ops {
			if !n.Op.HasWeights() {
				continue
			}
			attrs := slices.Clone(n.Attrs)
			for _, change := range []func(){
				func() { n.Put(ir.AttrImpl.Is("conv_fast")) },
				func() { n.Put(ir.AttrImpl.Is("max_window")) },
				func() { n.Put(ir.AttrMultiply.Is("sdot")) },
				func() { n.Put(ir.AttrTile.Is([]int{1, 2, 3, 4})) },
				func() { n.Put(ir.AttrScratch.Is([]int{0, 1 << 20})) },
			} {
				change()
				_, err := families.Restore(n, tgt)
				require.Error(t, err, "%s %s %v", format, n.Name(), n.Attrs)
				n.Attrs = slices.Clone(attrs)
			}
		}
	}
}
