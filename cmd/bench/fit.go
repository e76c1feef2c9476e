package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
)

// What fit measures: every layer in every format on every target. Convolutions of one
// channel a group have no codebooks.
var (
	fitTargets = []string{"armv6m", "armv7m", "armv7em", "armv8.1m", "armv7", "aarch64", "aarch64+dotprod", "aarch64+i8mm", "riscv32", "riscv32+zve32x", "riscv64+v", "x86_64"}
	fitLayers  = []string{"conv3x3", "conv1x1", "depthwise", "linear", "deep3x3", "first3x3"}
	fitFormats = []string{"i8", "odd1", "odd2", "odd3", "odd4", "odd6", "code4", "vec4x8", "vec4x16", "vec6x8"}
)

// ratio is the estimate of a layer divided by its count.
type ratio struct {
	target, family  string
	estimate, count float64
}

func (r ratio) of() float64 { return r.estimate / r.count }

// drawnFormats are the formats of random layers.
var drawnFormats = []string{"i8", "odd1", "odd2", "odd3", "odd4", "odd6"}

// job is a layer in a format that fit measures.
type job struct{ layer, format, path string }

// fixedJobs are the layers of the table in every format.
func fixedJobs(dir string) (list []job, err error) {
	for _, layer := range fitLayers {
		path, err := generate(dir, layer)
		if err != nil {
			return nil, err
		}
		for _, format := range fitFormats {
			isBook := strings.HasPrefix(format, "vec") || strings.HasPrefix(format, "code")
			if !isBook || layer != "depthwise" {
				list = append(list, job{layer, format, path})
			}
		}
	}
	return list, nil
}

// drawnJobs are n random layers, each in a random format.
func drawnJobs(dir string, n int, seed uint64) (list []job, err error) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		text := drawLayer(rng)
		network, err := layerOf(text)
		if err != nil {
			return nil, err
		}
		path, err := write(dir, fmt.Sprintf("fit%d-%d", seed, i), network)
		if err != nil {
			return nil, err
		}
		list = append(list, job{text, drawnFormats[rng.IntN(len(drawnFormats))], path})
	}
	return list, nil
}

// fit prints how near the estimates of the families are to counts under the emulator: a
// line for each layer, then for each target and family the least, the median and the
// greatest of estimate / count.
func fit(w io.Writer, dnnc, only string, jobs []job) error {
	var list []ratio
	for _, target := range fitTargets {
		for _, j := range jobs {
			if !wanted(only, target, j.layer, j.format) {
				continue
			}
			c, err := count(dnnc, j.path, bar{target: target, layer: j.layer, format: j.format})
			if err != nil {
				return fmt.Errorf("%s in %s on %s: %w", j.layer, j.format, target, err)
			}
			for _, l := range c.Layers {
				if l.Estimate > 0 {
					r := ratio{target, l.Kernel, l.Estimate, float64(l.Instructions)}
					fmt.Fprintf(w, "%s %s %s %s: estimate %.3f M, counted %.3f M, ratio %.2f\n", target, j.layer, j.format, l.Kernel, r.estimate/1e6, r.count/1e6, r.of())
					list = append(list, r)
				}
			}
		}
	}
	if len(list) == 0 {
		return errors.New("-only names no target, layer or format that -fit measures")
	}
	if err := summary(w, list); err != nil {
		return err
	}
	return near(w, list)
}

// nearBy is how far an estimate may be from the count to be near it, as a share.
const nearBy = .1

// near prints how many estimates are near their counts on each target, and the ratios between which the
// middle nine tenths lie.
func near(w io.Writer, list []ratio) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "target\tlayers\twithin %.0f %%\t5th of 100\tmedian\t95th of 100\t\n", 100*nearBy)
	for _, target := range fitTargets {
		var all []float64
		within := 0
		for _, r := range list {
			if r.target == target {
				all = append(all, r.of())
				if r.of() >= 1-nearBy && r.of() <= 1+nearBy {
					within++
				}
			}
		}
		if len(all) == 0 {
			continue
		}
		slices.Sort(all)
		at := func(share float64) float64 { return all[int(share*float64(len(all)-1)+.5)] }
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%.2f\t%.2f\t%.2f\t\n", target, len(all), 100*float64(within)/float64(len(all)), at(.05), at(.5), at(.95))
	}
	return t.Flush()
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
