package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// What fit measures: every layer in every format on every target. Convolutions of one
// channel a group have no codebooks.
var (
	fitTargets = []string{"armv6m", "armv7m", "armv7em", "armv8.1m", "armv7", "aarch64", "aarch64+dotprod", "riscv32", "x86_64"}
	fitLayers  = []string{"conv3x3", "conv1x1", "depthwise", "linear", "deep3x3", "first3x3"}
	fitFormats = []string{"i8", "odd1", "odd2", "odd3", "odd4", "odd6", "code4", "vec4x8", "vec4x16", "vec6x8"}
)

// ratio is the estimate of a layer divided by its count.
type ratio struct {
	target, family  string
	estimate, count float64
}

func (r ratio) of() float64 { return r.estimate / r.count }

// fit prints how near the estimates of the families are to counts under the emulator: a
// line for each layer, then for each target and family the least, the median and the
// greatest of estimate / count.
func fit(w io.Writer, dnnc, dir, only string) error {
	var list []ratio
	for _, target := range fitTargets {
		for _, layer := range fitLayers {
			for _, format := range fitFormats {
				isBook := strings.HasPrefix(format, "vec") || strings.HasPrefix(format, "code")
				if !wanted(only, target, layer, format) || isBook && layer == "depthwise" {
					continue
				}
				path, err := generate(dir, layer)
				if err != nil {
					return err
				}
				c, err := count(dnnc, path, bar{target: target, layer: layer, format: format})
				if err != nil {
					return err
				}
				for _, l := range c.Layers {
					if l.Estimate > 0 {
						r := ratio{target, l.Kernel, l.Estimate, float64(l.Instructions)}
						fmt.Fprintf(w, "%s %s %s %s: estimate %.3f M, counted %.3f M, ratio %.2f\n", target, layer, format, l.Kernel, r.estimate/1e6, r.count/1e6, r.of())
						list = append(list, r)
					}
				}
			}
		}
	}
	if len(list) == 0 {
		return errors.New("-only names no target, layer or format that -fit measures")
	}
	return summary(w, list)
}

// summary is the distribution for each target and family.
func summary(w io.Writer, list []ratio) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\tfamily\tlayers\tleast\tmedian\tgreatest\t")
	slices.SortStableFunc(list, func(a, b ratio) int {
		return cmp.Or(slices.Index(fitTargets, a.target)-slices.Index(fitTargets, b.target), cmp.Compare(a.family, b.family), cmp.Compare(a.of(), b.of()))
	})
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].target == list[0].target && list[n].family == list[0].family {
			n++
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.2f\t%.2f\t%.2f\t\n", list[0].target, list[0].family, n, list[0].of(), (list[(n-1)/2].of()+list[n/2].of())/2, list[n-1].of())
		list = list[n:]
	}
	return t.Flush()
}
