package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/runtime/data"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// disturbImages writes a picture or a data set under one error, or with -sheet
// one item under every kind at five sizes.
func disturbImages(_ context.Context, o driver.Options, stdout, stderr io.Writer) error {
	if err := o.Check(); err != nil {
		return err
	}
	switch {
	case o.Sheet != "":
		if err := driver.CheckOutput("sheet", o.Sheet, ".png"); err != nil {
			return err
		}
	case o.Output == "":
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc disturb: no -o for what it makes").WithHelp(disturbHelp)
	case !o.ErrorsGiven:
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc disturb: no -errors, of which it takes one").WithHelp(disturbHelp)
	}
	s, err := subjectOf(o, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, disturb.Said([]disturb.Input{s.in}))
	if o.Sheet != "" {
		return s.sheet(o, stderr)
	}
	conditions, err := disturb.Parse(o.Errors, []disturb.Input{s.in})
	if err != nil {
		return err
	}
	if len(conditions) != 1 {
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc disturb makes one file of one error, not of %d", len(conditions)).WithHelp(disturbHelp)
	}
	if s.items, err = disturb.Images(s.items, 0, conditions[0], o.Seed, s.gradient); err != nil {
		return err
	}
	files, err := pictures.Encode(o.Output, s.items, s.in)
	if err != nil {
		return err
	}
	all := o.Files()
	all.Reads("the input", dataset.Paths(o.Input)...)
	for _, f := range files {
		all.Makes("-o", f.Path)
	}
	if err := all.Check(); err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasPrefix(f.Path, filepath.Clean(o.Output)+string(filepath.Separator)) { // folders of classes
			if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
				return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
			}
		}
		if err := driver.Replace(f.Path, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// subject is what is disturbed: items of an input, as reals of its range.
type subject struct {
	in       disturb.Input
	items    data.Batch
	gradient disturb.Gradient // of -network; nil without one
}

// subjectOf reads the items, as the input of -network or, without one, as -kind says or
// their shape.
func subjectOf(o driver.Options, stderr io.Writer) (s subject, err error) {
	if o.Network == "" {
		if len(o.Ranges) > 0 {
			return s, diag.New(diag.Pos{}, diag.BadValue, "-range: without -network items are in [0,1]").WithHelp("-range says the reals of an input of a model, which -network names")
		}
		if s.items, err = opened(o, stderr); err != nil {
			return s, err
		}
		return s, s.infer(o)
	}
	network := o
	network.Input = o.Network
	m, err := driver.Load(network)
	if err != nil {
		return s, err
	}
	if len(m.Inputs) != 1 {
		return s, diag.New(m.Inputs[1].Pos, diag.Unsupported, "dnnc disturb is of networks of one input, this one has %d", len(m.Inputs)).
			WithHelp("dnnc eval disturbs any input: %s", quote.Flag("errors", m.Inputs[1].Name+":gaussian"))
	}
	s.in, s.gradient = dnnc.Inputs(m)[0], driver.GradientOf(o, m)
	if s.in.Holds.Kind != ir.Image {
		d, err := driver.Images(o, o.Input, m, dataset.Test, o.TestImages)
		if err == nil {
			fmt.Fprintln(stderr, d.Said)
		}
		s.items = d.Batch
		return s, err
	}
	if s.items, err = opened(o, stderr); err != nil {
		return s, err
	}
	if len(s.in.Shape) == 2 && s.items.Shape[0] == 1 {
		s.items.Shape = s.items.Shape[1:]
	}
	if !slices.Equal(s.in.Shape, s.items.Shape) {
		return s, diag.New(diag.Pos{}, diag.BadData, "the network takes images of %v, these are of %v", ir.Shape(s.in.Shape), s.items.Shape)
	}
	for i, v := range s.items.X {
		s.items.X[i] = s.in.Low + v*(s.in.High-s.in.Low)
	}
	return s, nil
}

// opened reads a picture, or a data set of which it says what it assumed.
func opened(o driver.Options, stderr io.Writer) (data.Batch, error) {
	set, err := pictures.Open(o.Input, o.TestImages, o.Seed, o.Sets)
	if err == nil && set.Said != "" { // nothing of a single picture
		fmt.Fprintln(stderr, set.Said)
	}
	return set.Batch, err
}

// infer is what items are without a network: numbers in [0,1], whose axes of one before
// the first longer one are the reader's, but of images.
func (s *subject) infer(o driver.Options) error {
	said := ir.Content{Axis: ir.NoAxis}
	for name, c := range o.Contents {
		if name != "" {
			return diag.New(diag.Pos{}, diag.BadValue, "-kind %s=%s: without -network there is no input of a name", name, c).WithHelp("%s", quote.Flag("kind", c.String()))
		}
		said = c
	}
	shape := ir.Shape(s.items.Shape)
	if holds := ir.ContentOf(said, shape); holds.Kind != ir.Image {
		for len(shape) > 1 && shape[0] == 1 {
			shape = shape[1:]
		}
		said.Kind, s.items.Shape = holds.Kind, shape
	}
	if err := said.Check(shape); err != nil {
		return diag.New(diag.Pos{}, diag.BadValue, "-kind %q: %v", said.String(), err)
	}
	s.in = disturb.Input{Name: "x", Holds: ir.ContentOf(said, shape), Shape: shape, High: 1}
	return nil
}

// sheet writes the first item under every kind that fits it, or those of -errors.
func (s *subject) sheet(o driver.Options, stderr io.Writer) error {
	text := disturb.All
	if o.ErrorsGiven {
		text = o.Errors
	}
	conditions, err := disturb.Parse(text, []disturb.Input{s.in})
	if err != nil {
		return err
	}
	isGuided := func(c disturb.Condition) bool { return c.Kind.Guided }
	if s.gradient == nil && slices.ContainsFunc(conditions, isGuided) {
		fmt.Fprintln(stderr, "dnnc: the guided kinds are left out; -network net.dnn gives their gradient")
	}
	sheet, err := pictures.Sheet(s.items, s.in, conditions, o.Seed, s.gradient)
	if err != nil {
		return err
	}
	content, err := pictures.PNG(sheet)
	if err != nil {
		return err
	}
	return driver.Replace(o.Sheet, content)
}

const disturbHelp = "dnnc disturb -errors snow=0.5 -o out.png in.png; -sheet sheet.png shows all kinds"
