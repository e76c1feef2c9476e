package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/kernel"
	"github.com/dnnc/dnnc/ir/processor"
)

// TestChosenNear: for each target the layers whose chosen plan is near the best one, and the worst ratio.
func TestChosenNear(t *testing.T) {
	of := func(target string, chosen float64) choice {
		return choice{target: target, plans: []forced{{count: 100}, {count: chosen, chosen: true}}}
	}
	var out bytes.Buffer
	require.NoError(t, chosenNear(&out, []choice{of("armv7m", 103), of("armv6m", 150), of("armv7m", 104), of("armv6m", 100)}))
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	assert.Equal(t, []string{"target layers within 3 % of the best worst", "armv6m 2 1 1.50", "armv7m 2 1 1.04"}, got)
	assert.ErrorContains(t, choices(context.Background(), t.Output(), "nothing", []job{{layer: "a", format: "i8"}}), "-only names no target")
}

// TestPlansOf: of each product the plan with the least estimate is counted, and others that are near the least of all.
func TestPlansOf(t *testing.T) {
	tgt, err := processor.Find("armv6m")
	require.NoError(t, err)
	n := &ir.Node{Op: ir.Linear, Args: []*ir.Value{{Type: ir.Type{Shape: ir.Shape{193}}}}, Out: &ir.Value{Type: ir.Type{Shape: ir.Shape{51}}}}
	n.Put(ir.AttrWeight.Is(&ir.Const{Type: ir.Type{Shape: ir.Shape{51, 193}}}))
	list := plansOf(kernel.Suppose(n, tgt, ir.OddOf(4)))
	require.NotEmpty(t, list)
	tiles := 0
	for i, f := range list {
		assert.False(t, f.family.General)
		if f.plan.Attrs().Product == "pair_written" {
			tiles++
		}
		if i > 0 {
			assert.GreaterOrEqual(t, f.estimate, list[i-1].estimate)
		}
	}
	assert.Greater(t, tiles, 1)
	assert.LessOrEqual(t, tiles, nearPlans)
}
