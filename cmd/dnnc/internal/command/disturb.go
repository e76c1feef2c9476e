package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// disturbImages writes a picture or a data set under one error, or with -sheet
// one image under every kind at five sizes.
func disturbImages(_ context.Context, o driver.Options, _, stderr io.Writer) error {
	if err := o.Check(); err != nil {
		return err
	}
	set, err := pictures.Open(o.Input, o.TestImages, o.Seed, o.Sets)
	if err != nil {
		return err
	}
	b := set.Batch
	if set.Said != "" { // nothing of a single picture
		fmt.Fprintln(stderr, set.Said)
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
	var gradient disturb.Gradient
	if o.Network != "" {
		if gradient, err = driver.GradientOf(o, b.Shape); err != nil {
			return err
		}
	}
	if o.Sheet != "" {
		kinds := disturb.Kinds()
		if o.ErrorsGiven {
			conditions, err := disturb.Parse(o.Errors)
			if err != nil {
				return err
			}
			kinds = nil
			for _, c := range conditions {
				if len(kinds) == 0 || kinds[len(kinds)-1] != c.Kind {
					kinds = append(kinds, c.Kind)
				}
			}
		}
		isGuided := func(k *disturb.Kind) bool { return k.Guided }
		if gradient == nil && slices.ContainsFunc(kinds, isGuided) {
			fmt.Fprintln(stderr, "dnnc: the guided kinds are left out; -network net.dnn gives their gradient")
		}
		sheet, err := pictures.Sheet(b, kinds, o.Seed, gradient)
		if err != nil {
			return err
		}
		content, err := pictures.PNG(sheet)
		if err != nil {
			return err
		}
		return driver.Replace(o.Sheet, content)
	}
	conditions, err := disturb.Parse(o.Errors)
	if err != nil {
		return err
	}
	if len(conditions) != 1 {
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc disturb makes one file of one error, not of %d", len(conditions)).WithHelp(disturbHelp)
	}
	if b, err = disturb.Images(b, 0, conditions[0], o.Seed, 0, 1, gradient); err != nil {
		return err
	}
	files, err := pictures.Encode(o.Output, b)
	if err != nil {
		return err
	}
	all := o.Files()
	all.Reads("the input", dataset.Paths(o.Input)...)
	for _, f := range files {
		all.Writes("-o", f.Path)
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

const disturbHelp = "dnnc disturb -errors snow=0.5 -o out.png in.png; -sheet sheet.png shows all kinds"

// listErrors prints what there is to choose from.
func listErrors(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "kind\tdefault sizes\twhat it does at size t, 0 to 1\tafter")
	for _, k := range disturb.Kinds() {
		sizes := make([]string, len(k.Sizes))
		for i, t := range k.Sizes {
			sizes[i] = fmt.Sprintf("%g", t)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, strings.Join(sizes, " "), k.Doc, k.Source)
	}
	w.Flush()
}
