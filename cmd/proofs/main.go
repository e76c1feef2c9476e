// Command proofs writes what dnnc certify proved of objects into RESULTS.md, between the two
// marker lines. make proofs runs it.
package main

import (
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/internal/markers"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/proof"
)

// The marker lines around the table.
const (
	begin = "<!-- proofs: written by make proofs -->"
	end   = "<!-- end of proofs -->"
)

func main() {
	folder := flag.String("from", "bin/proofs", "the folder of NAME.json, the certificate of an object, and NAME.proof.json")
	into := flag.String("into", "RESULTS.md", "the file to refresh")
	date := flag.String("date", "", "the day of the proofs")
	flag.Parse()
	if err := refresh(*folder, *into, *date, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "proofs:", err)
		os.Exit(1)
	}
}

func refresh(folder, into, date string, names []string) error {
	var list []*proved
	for _, name := range names {
		p, err := read(folder, name)
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	content, err := table(list, date)
	if err != nil {
		return err
	}
	return markers.Refresh(into, begin, end, content)
}

// proved is an object and what is proved of it.
type proved struct {
	name     string
	bytes    int // of its weights
	document *proof.Document
}

func read(folder, name string) (*proved, error) {
	raw, err := os.ReadFile(filepath.Join(folder, name+".json"))
	if err != nil {
		return nil, err
	}
	c, err := certificate.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s.json: %w", name, err)
	}
	if raw, err = os.ReadFile(filepath.Join(folder, name+".proof.json")); err != nil {
		return nil, err
	}
	d, err := proof.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s.proof.json: %w", name, err)
	}
	if len(d.Decided) == 0 {
		return nil, fmt.Errorf("%s.proof.json: no image is decided", name)
	}
	return &proved{name, c.WeightBytes, d}, nil
}

// question is one error of a proof.
type question struct {
	name  string
	first int // of its ranges in each image
	n     int // of its directions
	sizes []*big.Rat
}

// questions are the errors of a document, all of which move along their sizes.
func questions(d *proof.Document) (list []question, err error) {
	at := 0
	for _, part := range strings.Split(d.Errors, ";") {
		name, sizes, _ := strings.Cut(part, "=")
		kinds, err := proof.KindsOf(name)
		if err != nil {
			return nil, err
		}
		q := question{name: name, first: at, n: len(kinds)}
		at += q.n
		for _, word := range strings.Split(sizes, ",") {
			size, ok := new(big.Rat).SetString(word)
			if !ok {
				return nil, fmt.Errorf("the sizes of %s are not numbers: %q", part, word)
			}
			q.sizes = append(q.sizes, size)
		}
		list = append(list, q)
	}
	return list, nil
}

// table has a row for each object on the images that all proofs have decided, and one more on all
// images of a proof that has decided more.
func table(list []*proved, date string) (string, error) {
	d := list[0].document
	qs, err := questions(d)
	if err != nil {
		return "", err
	}
	common := len(d.Decided)
	for _, p := range list {
		if p.document.Errors != d.Errors || p.document.Images != d.Images || p.document.Right != d.Right {
			return "", fmt.Errorf("%s and %s are proofs of other questions", list[0].name, p.name)
		}
		common = min(common, len(p.document.Decided))
	}
	for _, p := range list {
		for i, x := range p.document.Decided[:common] {
			if x.SHA256 != d.Decided[i].SHA256 {
				return "", fmt.Errorf("image %d of %s is not that of %s", i, p.name, list[0].name)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, right is %s, the first of %d test images, which are drawn evenly with seed %d; %s. Of each error: the mean range; the shares that are proved right up to each size; sampling misses.\n\n", d.Network, d.Right, d.Images, d.Seed, date)
	b.WriteString("| object | bytes of weights | images | right |")
	for _, q := range qs {
		fmt.Fprintf(&b, " %s %s |", q.name, strings.Join(decimals(q.sizes), ", "))
	}
	b.WriteString(" times fewer multiply-adds |\n|" + strings.Repeat(" --- |", len(qs)+5) + "\n")
	for _, p := range list {
		p.row(&b, qs, common)
	}
	for _, p := range list {
		if n := len(p.document.Decided); n > common {
			p.row(&b, qs, n)
		}
	}
	return b.String(), nil
}

func decimals(sizes []*big.Rat) (list []string) {
	for _, s := range sizes {
		f, _ := s.Float64()
		list = append(list, fmt.Sprint(f))
	}
	return list
}

// row is what is proved of the first n images.
func (p *proved) row(b *strings.Builder, qs []question, n int) {
	images := p.document.Decided[:n]
	share := func(is func(x *proof.Image) bool) float64 {
		count := 0
		for i := range images {
			if is(&images[i]) {
				count++
			}
		}
		return float64(count) / float64(n)
	}
	right := share(func(x *proof.Image) bool {
		return !slices.ContainsFunc(x.Ranges, func(r proof.Range) bool { return r.To == nil })
	})
	fmt.Fprintf(b, "| %s | %d | %d | %.4f |", p.name, p.bytes, n, right)
	for _, q := range qs {
		mean, missed := 0., 0
		for i := range images {
			to, past := proof.Reach(images[i].Ranges[q.first : q.first+q.n])
			mean += to / float64(n)
			if past {
				missed++
			}
		}
		fmt.Fprintf(b, " %.4f;", mean)
		for _, size := range q.sizes {
			fmt.Fprintf(b, " %.3f", share(func(x *proof.Image) bool { return proof.Hold(x.Ranges[q.first:q.first+q.n], size) }))
		}
		fmt.Fprintf(b, "; %d |", missed)
	}
	fewer := "" // of all images that were decided
	if n == len(p.document.Decided) {
		fewer = fmt.Sprintf("%.1f", float64(p.document.Whole)/float64(p.document.MultiplyAdds))
	}
	fmt.Fprintf(b, " %s |\n", fewer)
}
