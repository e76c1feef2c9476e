package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// mostWide is the greatest ratio of the instructions of a layer with activations of 16 bits to those with 8.
const mostWide = 1.35

// wideTargets are processors that multiply pairs of 16 bits.
var wideTargets = []string{"armv7em"}

// widened is the counts of a layer of 8-bit weights on a target.
type widened struct {
	target, layer string
	eight, wide   int
}

func (w widened) ratio() float64 { return float64(w.wide) / float64(w.eight) }

// featured is the text of a network of layers whose input holds features: a picture keeps 8 bits.
func featured(text string) string { return strings.Replace(text, "in [0,1])", "in [0,1] features)", 1) }

// compareWide counts the convolutions and linear layers that peers were counted on with activations of 8 and of 16
// bits, and prints them with their ratio, the worst first.
func compareWide(w io.Writer, dnnc, dir, only string) error {
	var list []widened
	for _, name := range slices.Sorted(maps.Keys(peerLayers)) {
		n, err := layerOf(peerLayers[name])
		if err != nil {
			return err
		}
		path := ""
		for _, target := range wideTargets {
			if !wanted(only, target, name) {
				continue
			}
			if path == "" {
				if path, err = write(dir, "wide-"+name, n); err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(featured(n.text("wide-"+name))), 0o644); err != nil {
					return err
				}
			}
			row := widened{target: target, layer: name}
			for _, c := range []struct {
				bits string
				to   *int
			}{{"8", &row.eight}, {"16", &row.wide}} {
				counts, err := count(dnnc, path, bar{target: target, format: "i8"}, "-activations", c.bits)
				if err != nil {
					return fmt.Errorf("%s with activations of %s bits: %w", name, c.bits, err)
				}
				*c.to = counts.Instructions
			}
			list = append(list, row)
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("-only names no layer and target that -wide measures: its targets are %s", strings.Join(wideTargets, " "))
	}
	slices.SortStableFunc(list, func(a, b widened) int { return cmp.Compare(b.ratio(), a.ratio()) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "target\tlayer\t8 bits\t16 bits\tratio")
	kept := 0
	for _, l := range list {
		if l.ratio() <= mostWide {
			kept++
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.3f\n", l.target, l.layer, l.eight, l.wide, l.ratio())
	}
	_, err := fmt.Fprintf(t, "%d of %d layers are within %.2f\n", kept, len(list), mostWide)
	return errors.Join(err, t.Flush())
}
