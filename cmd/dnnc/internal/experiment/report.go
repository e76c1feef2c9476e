package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/chart"
	"github.com/dnnc/dnnc/passes/robust"
)

// titles are what methods are called in a report.
var titles = map[string]string{"qed": "Qed", "qstar": "Q*", "compress": "Deep Compression", floatMethod: "float"}

func title(method string) string {
	if t := titles[method]; t != "" {
		return t
	}
	return method
}

// styleOf is the look of a method, the same in all pictures.
func styleOf(method string) int {
	if method == floatMethod {
		return len(chart.Palette) - 1
	}
	list := []string{"qed", "qstar", "universal", "compress"}
	if i := slices.Index(list, method); i >= 0 {
		return i
	}
	return 4 + max(slices.Index(robust.Methods(), method), 0)%2
}

// legends are the keys of methods.
func legends(methods ...string) (list []legend, err error) {
	for _, m := range methods {
		sample, err := chart.Key(styleOf(m))
		if err != nil {
			return nil, err
		}
		list = append(list, legend{template.HTML(sample), title(m)})
	}
	return list, nil
}

func (s *section) lines(c chart.Lines, caption string, t table) error {
	svg, err := c.SVG()
	if err != nil {
		return err
	}
	s.Pictures = append(s.Pictures, picture{template.HTML(svg), caption, &t})
	return nil
}

// write makes the report of studies.
func write(studies []*study, command string, skipped []string) (*document, error) {
	var list []*analysis     // of each result of each network
	var networks []*analysis // of each network, for what is not of a result
	for _, s := range studies {
		each, err := parts(s)
		if err != nil {
			return nil, err
		}
		for k, one := range each {
			a, err := analyse(one)
			if err != nil {
				return nil, err
			}
			if list = append(list, a); k == 0 {
				whole, as := *a, *one
				as.x, whole.study = s.x, &as
				networks = append(networks, &whole)
			}
		}
	}
	d := &document{Title: "Robust quantization of deep neural networks: " + namesOf(list)}
	for _, name := range skipped {
		d.Warnings = append(d.Warnings, "Left out, for its data are not at hand: "+name+".")
	}
	for _, a := range networks {
		if a.mat.test == "noise" {
			d.Warnings = append(d.Warnings, a.x.Name+": NO DATA: images of noise, and the float network's own answers are the labels.")
		} else if !a.mat.task.IsLabelled(a.mat.images) {
			d.Warnings = append(d.Warnings, a.x.Name+": NO LABELS: the float network's own answers are the labels.")
		}
	}
	d.Warnings = append(d.Warnings, reductions(networks)...)
	for _, part := range []struct {
		write func(d *document, list []*analysis) error
		list  []*analysis
	}{
		{opening, list}, {explorers, list}, {keeping, list}, {sizes, list}, {kinds, list}, {errorSizes, list}, {widths, networks}, {efforts, list}, {boundaries, list}, {proofs, list}, {planes, list}, {layers, networks}, {ablations, list},
	} {
		if err := part.write(d, part.list); err != nil {
			return nil, err
		}
	}
	d.Origin = "`" + command + "`"
	return d, reproduce(d, networks, command)
}

// reductions say what the experiments reduced, each once with the networks.
func reductions(list []*analysis) (out []string) {
	var said []string
	for _, a := range list {
		if a.x.Reduced == "" || slices.Contains(said, a.x.Reduced) {
			continue
		}
		said = append(said, a.x.Reduced)
		var names []string
		for _, o := range list {
			if o.x.Reduced == a.x.Reduced {
				names = append(names, o.x.Name)
			}
		}
		out = append(out, enumerate(names)+", reduced: "+a.x.Reduced+".")
	}
	return out
}

// reproduce is the commands and hashes.
func reproduce(d *document, list []*analysis, command string) error {
	s := section{ID: "reproduce", Title: "How to get the same", Text: []string{
		"Command: " + command + ". With -results, cells are kept in that folder, each under the hash of its question; equal inputs give equal bytes of this page on processors of one kind.",
		"The method is that of Kim, Lee, Kim and Seo, Robust quantization of deep neural networks, Compiler Construction 2020, doi 10.1145/3377555.3377900."}}
	t := table{Caption: fmt.Sprintf("What it was made from (cells of version %d, search of version %d)", Version, robust.Version), Head: []string{"experiment", "what", "value"}}
	all := sha256.New()
	for _, a := range list {
		x := a.x
		add := func(what string, value any) {
			t.Rows = append(t.Rows, row(x.Name, what, fmt.Sprint(value)))
		}
		add("network", a.mat.module.Name+", sha256 "+a.mat.hash)
		add("judged by", a.mat.line)
		for _, said := range a.mat.said {
			add("read as", strings.TrimPrefix(said, "data: "))
		}
		for _, f := range a.mat.inputs {
			add("data", f.Name+", sha256 "+f.SHA256)
		}
		add("searched under", x.Errors)
		add("measured under", x.Measured)
		add("images", fmt.Sprintf("%d to calibrate, %d judged, %d to report on; no image is both", x.Images, x.Judged, a.mat.images.N))
		add("formats", strings.Join(x.Formats, " "))
		if x.MinBits > 0 {
			add("least bits", x.MinBits)
		}
		if x.MaxBits > 0 {
			add("greatest bits", x.MaxBits)
		}
		if x.Rounding != "" {
			add("rounding", x.Rounding)
		}
		add("seeds", strings.Trim(fmt.Sprint(x.Seeds), "[]"))
		own := sha256.New()
		for _, step := range a.steps {
			for _, c := range step.cells {
				text, err := json.Marshal(c.answer)
				if err != nil {
					return err
				}
				fmt.Fprintf(own, "%s %s\n", c.key, text)
			}
		}
		sum := own.Sum(nil)
		all.Write(sum)
		add("answers", "sha256 "+hex.EncodeToString(sum))
	}
	t.Rows = append(t.Rows, row("all", "answers", "sha256 "+hex.EncodeToString(all.Sum(nil))))
	s.Tables = []table{t}
	d.add(s)
	return nil
}
