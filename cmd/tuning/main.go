// Command tuning measures what tuning gives: for each network, size and seed it searches widths
// once, and measures the network before and after tuning on test images that nothing saw. Every
// cell is added to a record as soon as it is measured, and what the record has is not measured
// again. make tuning runs it, and writes the table of RESULTS.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// The errors of the record of the searches, and those of ResNet-8.
const (
	recordErrors = "gaussian=0.02,0.05,0.08,0.12;light-random=0.1,0.2,0.4;fog-blend=0.2,0.45,0.7;blackout-random=0.2,0.5,1"
	resnetErrors = "gaussian=0.02,0.05,0.08;light-random=0.1,0.2;fog-blend=0.2,0.45;blackout-random=0.2,0.5"
)

// subject is a network, its images, and the sizes that it is measured at.
type subject struct {
	name, path  string
	calib, test string
	errors      string
	effort      string // of tuning
	images      int    // that calibrate and that it is tuned on; 0 is dnnc's own
	sizes       []float64
	most        *ir.Range // of the reals of a model's input
}

// subjects are the networks of issue and RESULTS.md, the cheap ones first.
func subjects(root, folder, strangers string) []subject {
	own := func(name string) string { return filepath.Join(root, "testdata", name, name+".dnn") }
	mnist := func(file string) string { return filepath.Join(folder, "mnist", file) }
	cifar := func(file string) string { return filepath.Join(folder, "cifar10", file) }
	const fit, test = "train_batch.bin.gz", "test_batch.bin.gz"
	list := []subject{
		{"lenet5-mnist", own("lenet5-mnist"), mnist("train-images-idx3-ubyte.gz"), mnist("t10k-images-idx3-ubyte.gz"), recordErrors, pass.TuneDefault, 0, []float64{.25}, nil},
		{"alexnet", own("alexnet"), cifar(fit), cifar(test), recordErrors, pass.TuneDefault, 0, []float64{.5, .75, .35, .95}, nil},
		{"vgg16", own("vgg16"), cifar(fit), cifar(test), recordErrors, pass.TuneDefault, 0, []float64{.5, .7, .35, .9}, nil},
	}
	if strangers != "" {
		list = append(list, subject{"resnet8", filepath.Join(strangers, "pretrainedResnet.tflite"), cifar(fit), cifar(test), resnetErrors, pass.TuneLong, 0, []float64{1, 1.5, 2, 3}, &ir.Range{Lo: 0, Hi: 255}})
	}
	return list
}

// load reads the network, and the test images as it takes them.
func (s *subject) load(images int) (*ir.Module, data.Batch, error) {
	m, err := dnnc.Load(s.path, dnnc.LoadOptions{})
	if err == nil && s.most != nil {
		m, err = dnnc.Load(s.path, dnnc.LoadOptions{Ranges: map[string]ir.Range{m.Inputs[0].Name: *s.most}})
	}
	if err != nil {
		return nil, data.Batch{}, err
	}
	d, err := dataset.Load(s.test, dataset.Want{Inputs: dnnc.DataInputs(m), N: images, Seed: 1, Part: dataset.Test})
	return m, d.Batch, err
}

// study is what all cells are measured by.
type study struct {
	scratch string // folder of what searches measured
	images  int    // test images
	effort  string // of tuning instead of the subject's own; "" is that
	fit     int    // images to fit instead of the subject's own; 0 is that
}

// effortOf is the effort of a subject.
func (y *study) effortOf(s *subject) string {
	if y.effort != "" {
		return y.effort
	}
	return s.effort
}

// measure searches a network's widths, tunes it, and measures both.
func (y *study) measure(ctx context.Context, s *subject, bits float64, seed uint64) (cell, error) {
	m, test, err := s.load(y.images)
	if err != nil {
		return cell{}, err
	}
	c, err := dnnc.NewConfig("armv7em")
	if err != nil {
		return cell{}, err
	}
	c.Level, c.Seed, c.Errors, c.StopAfter = pass.Robust, seed, s.errors, passes.Tuned
	c.Budget = pass.Budget{Bits: bits, FreeCycles: true, FreeRAM: true}
	c.Tune.Effort = y.effortOf(s)
	if c.Calibrate = s.images; y.fit > 0 {
		c.Calibrate = y.fit
	}
	c.Checkpoint = filepath.Join(y.scratch, fmt.Sprintf("%s-%d-%d.table", s.name, c.Calibrate, seed))
	c.Calibration = func(n int) (data.Batch, error) {
		d, err := dataset.Load(s.calib, dataset.Want{Inputs: dnnc.DataInputs(m), N: n, Seed: seed, Part: dataset.Train})
		return d.Batch, err
	}
	var before *ir.Module
	c.Observe = func(p *pass.Pass, took time.Duration, m *ir.Module) error {
		if p.Name == passes.Quantized {
			before = m.Clone()
		}
		return nil
	}
	r, err := dnnc.Compile(ctx, m, c)
	if err != nil {
		return cell{}, err
	}
	out := cell{network: s.name, bits: bits, seed: seed, effort: c.Tune.Effort, images: test.N, declined: r.Env.Tuned.Declined, steps: r.Env.Tuned.Steps, fit: r.Env.Tuned.Images, macs: r.Env.Tuned.MACs}
	return out, y.judge(ctx, r, before, test, &out)
}

// judge measures the network before and after beside the float network, each on the same
// disturbed images.
func (y *study) judge(ctx context.Context, r *dnnc.Result, before *ir.Module, test data.Batch, out *cell) error {
	f, err := interp.CompileFloat(r.Float)
	if err != nil {
		return err
	}
	networks := []measure.Network{f.Results}
	for _, m := range []*ir.Module{before, r.Module} {
		p, err := interp.CompileInt(m)
		if err != nil {
			return err
		}
		networks = append(networks, func(ctx context.Context, x []float32, n int) ([]float32, error) { return interp.Logits(ctx, p, x, n) })
	}
	var exact, was []float32
	var falls [2][]float64 // divergences of both networks, by image and condition
	size := r.Task.Size()
	watch := func(_ disturb.Condition, network int, answers []float32) error {
		switch network {
		case 0:
			exact = answers
		case 1:
			was = answers
		case 2:
			falls[0] = append(falls[0], r.Task.Items(nil, nil, exact, was).KL...)
			falls[1] = append(falls[1], r.Task.Items(nil, nil, exact, answers).KL...)
		}
		return nil
	}
	if !r.Task.IsKL() || size == 0 {
		return errors.New("the networks measured here give classes")
	}
	setup := measure.Setup{Task: r.Task, Images: test, Conditions: r.Env.Errors, Seed: r.Env.Seed, First: pass.TestAt, Watch: watch}
	scores, err := measure.Robust(ctx, setup, networks...)
	if err != nil {
		return err
	}
	out.before, out.after, out.gain = scores[1].Retention(scores[0]), scores[2].Retention(scores[0]), gain(scores[0], scores[1], scores[2])
	out.klBefore, out.klAfter, out.klFall = stat.Mean(falls[0], nil), stat.Mean(falls[1], nil), fall(falls[0], falls[1], test.N)
	return nil
}

// gain is what a network keeps more than another, with the standard error of the images in pairs.
func gain(exact, before, after *measure.Score) measure.Estimate {
	a, keptA := after.Parts(exact)
	b, keptB := before.Parts(exact)
	for i := range a {
		a[i] -= b[i]
	}
	return measure.Estimate{Value: keptA.Value - keptB.Value, StdErr: stat.StdErr(stat.StdDev(a, nil), float64(len(a)))}
}

// fall is the mean by which divergences fell, with its standard error over n images, each under
// all conditions in turn.
func fall(before, after []float64, n int) measure.Estimate {
	own := make([]float64, n)
	for i := range before {
		own[i%n] += (before[i] - after[i]) * float64(n) / float64(len(before))
	}
	mean, deviation := stat.MeanStdDev(own, nil)
	return measure.Estimate{Value: mean, StdErr: stat.StdErr(deviation, float64(n))}
}

// numbers reads a list with commas.
func numbers[T any](list string, parse func(string) (T, error)) (out []T, err error) {
	for _, s := range strings.Split(list, ",") {
		x, err := parse(s)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func run(ctx context.Context) error {
	only := flag.String("only", "", "cells whose names, as lenet5-mnist/0.25/1, this `expression` matches")
	folder := flag.String("data", os.Getenv("DNNC_DATA"), "`folder` of mnist and cifar10")
	strangers := flag.String("strangers", os.Getenv("DNNC_STRANGERS"), "`folder` of pretrainedResnet.tflite; without it ResNet-8 is left out")
	seeds := flag.String("seeds", "1,2,3", "of searches and tuning, the first one over all cells first")
	record := flag.String("record", "testdata/results/tuning.csv", "`file` of what is measured")
	into := flag.String("into", "", "document whose table is refreshed; \"\" of none")
	y := study{}
	flag.StringVar(&y.scratch, "scratch", "bin/tuning", "`folder` of what searches measured")
	flag.IntVar(&y.images, "n", 5000, "test images")
	flag.StringVar(&y.effort, "effort", "", "of tuning, instead of a network's own")
	flag.IntVar(&y.fit, "images", 0, "that calibrate, instead of a network's own")
	isTable := flag.Bool("table", false, "measure nothing")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	list, err := numbers(*seeds, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	if err != nil {
		return err
	}
	if err := os.MkdirAll(y.scratch, 0o755); err != nil {
		return err
	}
	known, err := read(*record)
	if err != nil {
		return err
	}
	for _, seed := range list {
		for _, s := range subjects(".", *folder, *strangers) {
			for _, bits := range s.sizes {
				name := fmt.Sprintf("%s/%v/%d", s.name, bits, seed)
				isKnown := slices.ContainsFunc(known, func(c cell) bool {
					return c.network == s.name && c.bits == bits && c.seed == seed && c.effort == y.effortOf(&s)
				})
				if *isTable || isKnown || !pattern.MatchString(name) {
					continue
				}
				began := time.Now()
				c, err := y.measure(ctx, &s, bits, seed)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				c.date = began.UTC().Format(time.DateOnly)
				known = append(known, c)
				if err := add(*record, c); err != nil {
					return err
				}
				fmt.Printf("%s  %v  (%.0f s)\n", name, &c, time.Since(began).Seconds())
			}
		}
	}
	fmt.Print(verdict(known))
	if *into == "" {
		return nil
	}
	return markers.Refresh(*into, begin, end, table(subjects(".", *folder, "strangers"), known))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tuning:", err)
		os.Exit(1)
	}
}
