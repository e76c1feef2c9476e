package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/measure"
)

// answerErrors are the conditions of recorded answers, beside the images as they are.
const answerErrors = "gaussian=0.1;fog-blend=0.45"

// answerBits are the sizes of the twenty networks, in average bits a weight.
var answerBits = []float64{.18, .2, .22, .24, .26, .28, .3, .33, .36, .4, .45, .5, .57, .65, .75, .9, 1.1, 1.4, 2, 3}

// writeAnswers records which images a network answers rightly, as it is and in twenty
// sizes. A line is a name, bytes, and a digit for each image: the sum of 1 where it is
// right on the image as it is, 2 under the first error, 4 under the second.
func writeAnswers(ctx context.Context, s subject, path string) error {
	m, all, err := s.load()
	if err != nil {
		return err
	}
	c, err := configured(answerErrors, 1, all.Slice(0, all.N/2))
	if err != nil {
		return err
	}
	r, search, err := reference(ctx, m, c)
	if err != nil {
		return err
	}
	var text strings.Builder
	line := func(name string, bytes int, s *measure.Score) {
		fmt.Fprintf(&text, "%s %d ", name, bytes)
		for i := range s.Images {
			digit := 0
			for k := range s.Kinds {
				if s.Kinds[k].Right[0][i] {
					digit += 1 << k
				}
			}
			fmt.Fprint(&text, digit)
		}
		text.WriteString("\n")
	}
	var networks []*ir.Module
	var sizes []int
	for _, bits := range answerBits {
		bytes, _ := robust.Limit(r.Module.Layers(), pass.Budget{Bits: bits})
		n, err := search.Plan(ctx, r.Env.Task.Divergence(), bytes)
		if err != nil {
			return err
		}
		q, err := search.Quantized(ctx, n.Formats)
		if err != nil {
			return err
		}
		networks, sizes = append(networks, q), append(sizes, n.Bytes)
		fmt.Fprintln(os.Stderr, bits, n.Bytes, n.KL)
	}
	float, err := floating(r.Module)
	if err != nil {
		return err
	}
	exact, own, err := held(ctx, r, float, all, networks...)
	if err != nil {
		return err
	}
	line("float", 0, exact)
	for i, s := range own {
		line(fmt.Sprintf("%gbits", answerBits[i]), sizes[i], s)
		fmt.Fprintln(os.Stderr, answerBits[i], plusMinus(s.Retention(exact)))
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write([]byte(text.String())); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
