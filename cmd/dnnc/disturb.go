package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/pictures"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/disturb"
)

// disturbImages writes a picture or a data set under one error, or with -sheet
// one image under every kind at five sizes.
func disturbImages(_ context.Context, o driver.Options, _, stderr io.Writer) error {
	b, err := pictures.Open(o.Input, o.TestImages)
	if err != nil {
		return err
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
		if gradient == nil {
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
	if len(conditions) != 1 || o.Output == "" {
		return diag.New(diag.Pos{}, diag.BadValue, "dnnc disturb makes one file of one error, not of %d", len(conditions)).
			WithHelp("dnnc disturb -errors snow=0.5 -o out.png in.png; -sheet sheet.png shows all kinds")
	}
	if b, err = disturb.Images(b, 0, conditions[0], o.Seed, 0, 1, gradient); err != nil {
		return err
	}
	content, labels, err := pictures.Encode(o.Output, b)
	if err != nil {
		return err
	}
	if labels != nil {
		name := strings.Replace(filepath.Base(o.Output), "images-idx3", "labels-idx1", 1)
		if name != filepath.Base(o.Output) {
			if err := driver.Replace(filepath.Join(filepath.Dir(o.Output), name), labels); err != nil {
				return err
			}
		}
	}
	return driver.Replace(o.Output, content)
}
