// Command keep holds the promise of -keep to images that dnnc did not see. For every
// network, seed and share it gives a random half of the test images to -O robust -keep, and
// measures the network that is built on the other half. It is the only program that
// calibrates on test images: those that a network was trained on would flatter it.
//
// It lists each build, and fails where more than a fifth of the estimates on the other half
// lie below the share, where one lies below by more than three standard errors, or where a
// network is larger than 1.25 times the smallest of the record's sizes that has the share
// on the other half. Builds that -keep refuses are counted apart.
//
// With -record it writes the answers of twenty networks instead, which the test of the
// rule draws from (passes/robust).
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/interp"
	"github.com/dnnc/dnnc/runtime/measure"
)

// The bars.
const (
	mostBelow = 12. / 60 // of the builds
	farBelow  = 3        // standard errors
	mostSize  = 1.25     // of the least size of the record
)

// subject is a network and its test images, by the folders of their files.
type subject struct {
	name, record string // as the record names the network
	path, data   string
	inputs       map[string]ir.Range // of the reals of a model's inputs
}

func subjects(root, folder, strangers string) []subject {
	test := func(name string) string { return filepath.Join(root, "testdata", name, name+".dnn") }
	cifar := filepath.Join(folder, "cifar10", "test_batch.bin.gz")
	fashion := "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz" // of Debian's dataset-fashion-mnist
	if _, err := os.Stat(fashion); err != nil {
		fashion = filepath.Join(root, "testdata", "lenet5", "fashion-test-images-idx3-ubyte.gz")
	}
	list := []subject{
		{"lenet5", "lenet5_mnist", test("lenet5"), fashion, nil},
		{"lenet5-mnist", "lenet5_mnist", test("lenet5-mnist"), filepath.Join(folder, "mnist", "t10k-images-idx3-ubyte.gz"), nil},
		{"alexnet", "alexnet", test("alexnet"), cifar, nil},
		{"vgg16", "vgg16", test("vgg16"), cifar, nil},
	}
	if strangers != "" {
		list = append(list, subject{"resnet8", "vgg16", filepath.Join(strangers, "pretrainedResnet.tflite"), cifar, map[string]ir.Range{"": {Lo: 0, Hi: 255}}})
	}
	return list
}

// load reads the network, and all of its images as it takes them.
func (s *subject) load() (*ir.Module, data.Batch, error) {
	m, err := dnnc.Load(s.path, dnnc.LoadOptions{})
	if err == nil && s.inputs != nil {
		m, err = dnnc.Load(s.path, dnnc.LoadOptions{Ranges: map[string]ir.Range{m.Inputs[0].Name: s.inputs[""]}})
	}
	if err != nil {
		return nil, data.Batch{}, err
	}
	d, err := dataset.Load(s.data, dataset.Want{Inputs: dnnc.DataInputs(m), Part: dataset.Test})
	return m, d.Batch, err
}

// configured is a search under the errors of the record.
func configured(errors string, seed uint64, calib data.Batch) (dnnc.Config, error) {
	c, err := dnnc.NewConfig("armv7em")
	if err != nil {
		return c, err
	}
	c.Level, c.Seed, c.Calibration = pass.Robust, seed, dnnc.Images(calib)
	c.Errors = errors
	return c, err
}

// floating is the float network, which answers the same images once.
func floating(m *ir.Module) (*measure.Replay, error) {
	f, err := interp.CompileFloat(m)
	if err != nil {
		return nil, err
	}
	return &measure.Replay{Network: f.Results}, nil
}

// held measures networks of integers beside the float network they were made from.
func held(ctx context.Context, r *dnnc.Result, float *measure.Replay, images data.Batch, integers ...*ir.Module) (exact *measure.Score, own []*measure.Score, err error) {
	float.Rewind()
	networks := []measure.Network{float.Run}
	for _, m := range integers {
		p, err := interp.CompileInt(m)
		if err != nil {
			return nil, nil, err
		}
		networks = append(networks, func(ctx context.Context, x []float32, n int) ([]float32, error) { return interp.Logits(ctx, p, x, n) })
	}
	setup := measure.Setup{Task: r.Task, Images: images, Conditions: r.Env.Errors, Seed: r.Env.Seed, First: pass.TestAt}
	scores, err := measure.Robust(ctx, setup, networks...)
	if err != nil {
		return nil, nil, err
	}
	return scores[0], scores[1:], nil
}

// reference is a search within sizes on the same half.
func reference(ctx context.Context, m *ir.Module, c dnnc.Config) (*dnnc.Result, *robust.Search, error) {
	c.StopAfter, c.Budget = passes.Widened, pass.Budget{}
	r, err := dnnc.Compile(ctx, m, c)
	if err != nil {
		return nil, nil, err
	}
	s, err := robust.New(r.Module, r.Env)
	return r, s, err
}

// check is all builds of a network.
type check struct {
	out                            io.Writer
	builds, below, far, large, not int
}

// seed builds a network for each share, and measures it on the other half.
func (k *check) seed(ctx context.Context, s subject, errors string, seed uint64, shares, sizes []float64, scratch string) error {
	m, all, err := s.load()
	if err != nil {
		return err
	}
	order := rand.New(rand.NewPCG(seed, 1)).Perm(all.N)
	calib, other := all.Pick(order[:all.N/2]), all.Pick(order[all.N/2:])
	c, err := configured(errors, seed, calib)
	if err != nil {
		return err
	}
	base, search, err := reference(ctx, m, c)
	if err != nil {
		return err
	}
	float, err := floating(base.Module)
	if err != nil {
		return err
	}
	layers := base.Module.Layers()
	found := map[float64]measure.Estimate{} // what the record's sizes have on the other half
	least := func(share float64) (bytes int, err error) {
		for _, bits := range sizes {
			bytes, _ := robust.Limit(layers, pass.Budget{Bits: bits})
			if _, ok := found[bits]; !ok {
				n, err := search.Choose(ctx, robust.Methods()[0], bytes)
				if err != nil {
					return 0, err
				}
				q, err := search.Quantized(ctx, n.Formats)
				if err != nil {
					return 0, err
				}
				exact, own, err := held(ctx, base, float, other, q)
				if err != nil {
					return 0, err
				}
				found[bits] = own[0].Retention(exact)
				fmt.Fprintf(k.out, "%-14s seed %d  %5.2f bits of the record     other half %v\n", s.name, seed, bits, plusMinus(found[bits]))
			}
			if found[bits].Value >= share {
				return bytes, nil
			}
		}
		return 0, nil
	}
	for _, share := range shares {
		c.Budget = pass.Budget{Keep: share, Promised: true, FreeCycles: true, FreeRAM: true}
		c.StopAfter, c.Checkpoint = passes.Quantized, filepath.Join(scratch, fmt.Sprintf("%s-%d", s.name, seed))
		r, err := dnnc.Compile(ctx, m, c)
		var d *diag.Diagnostic
		if isRefusal(err, &d) {
			k.not++
			fmt.Fprintf(k.out, "%-14s seed %d  keep %-5v refused: %s; %s\n", s.name, seed, share, d.Message, d.Note)
			continue
		}
		if err != nil {
			return err
		}
		for _, t := range r.Env.Report.Kept.Tested {
			fmt.Fprintf(k.out, "%-14s seed %d  keep %-5v tested %7d bytes  %v\n", s.name, seed, share, t.Bytes, t.Bound)
		}
		exact, own, err := held(ctx, r, float, other, r.Module)
		if err != nil {
			return err
		}
		smallest, err := least(share)
		if err != nil {
			return err
		}
		got, bytes := own[0].Retention(exact), 0
		for _, l := range r.Env.Report.Layers {
			bytes += l.Bytes
		}
		k.builds++
		verdict := ""
		if got.Value < share {
			k.below++
			verdict = "  below"
			if share-got.Value > farBelow*got.StdErr {
				k.far++
				verdict = "  far below"
			}
		}
		size := "-"
		if smallest > 0 {
			ratio := float64(bytes) / float64(smallest)
			size = fmt.Sprintf("%.2f", ratio)
			if ratio > mostSize {
				k.large++
				verdict += "  large"
			}
		}
		fmt.Fprintf(k.out, "%-14s seed %d  keep %-5v %7d bytes, %s of the record's  %v  other half %s%s\n", s.name, seed, share, bytes, size, r.Env.Report.Kept.Bound, plusMinus(got), verdict)
	}
	return nil
}

// isRefusal reports that nothing was shown to keep the share.
func isRefusal(err error, d **diag.Diagnostic) bool {
	return errors.As(err, d) && (*d).Kind == diag.BadBudget
}

func plusMinus(e measure.Estimate) string { return fmt.Sprintf("%.4f ± %.4f", e.Value, e.StdErr) }

// verdict says how the builds were, and fails where a bar is broken.
func (k *check) verdict() error {
	fmt.Fprintf(k.out, "%d builds, %d refused; on the other half %d below the share (at most %.0f), %d far below (none), %d too large (none)\n",
		k.builds, k.not, k.below, mostBelow*float64(k.builds+k.not), k.far, k.large)
	if float64(k.below) > mostBelow*float64(k.builds+k.not) || k.far > 0 || k.large > 0 {
		return errors.New("a bar is broken")
	}
	return nil
}

// recordSizes are the sizes of a network in the record of the searches.
func recordSizes(path, network string) (sizes []float64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range rows[1:] { // network, formats, method, ..., bits
		if r[0] != network || r[1] != "odd+vec" || r[2] != robust.Methods()[0] {
			continue
		}
		x, err := strconv.ParseFloat(r[6], 64)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, x)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
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
	only := flag.String("only", "", "networks whose names this `expression` matches")
	folder := flag.String("data", os.Getenv("DNNC_DATA"), "`folder` of mnist and cifar10")
	strangers := flag.String("strangers", os.Getenv("DNNC_STRANGERS"), "`folder` of pretrainedResnet.tflite; without it ResNet-8 is left out")
	seeds := flag.String("seeds", "1,2,3,4", "random halvings of the test images")
	keep := flag.String("keep", ".98,.99,.995", "shares")
	errors := flag.String("errors", disturb.Default, "as dnnc has them")
	record := flag.String("record", "", "write the answers of twenty networks into this `file` instead")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	list := slices.DeleteFunc(subjects(".", *folder, *strangers), func(s subject) bool { return !pattern.MatchString(s.name) })
	if len(list) == 0 {
		return fmt.Errorf("no network is called %q", *only)
	}
	if *record != "" {
		return writeAnswers(ctx, list[0], *record)
	}
	shares, err := numbers(*keep, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	if err != nil {
		return err
	}
	halvings, err := numbers(*seeds, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) })
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "keep-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	k := &check{out: os.Stdout}
	for _, s := range list {
		sizes, err := recordSizes(filepath.Join("testdata", "results", "search.csv"), s.record)
		if err != nil {
			return err
		}
		for _, seed := range halvings {
			if err := k.seed(ctx, s, *errors, seed, shares, sizes, scratch); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return k.verdict()
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "keep:", err)
		os.Exit(1)
	}
}
