package compare

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/certify"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/robust"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/measure"
)

// outcome is one network that a method chose, measured on test images.
type outcome struct {
	network, formats, method string
	result                   string // of several, of which each has its outcome; "" of the only one
	question                 string // hash of what the outcome depends on beside this
	seed                     uint64
	bits                     float64 // of the budget
	images                   int
	average                  float64 // bits a weight, codebooks included
	retention, stderr, worst float64
	below, belowSE           float64 // of the first method at this size, paired; NaN where that has nothing
	evaluations              int
	macs                     int64
	proved                   []certify.Beside // which no record has
}

var columns = []string{"network", "formats", "method", "question", "version", "seed", "bits", "images", "average", "retention", "stderr", "worst", "below", "below_stderr", "evaluations", "macs", "sum"}

func (r outcome) strings() []string {
	f := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	return sealed([]string{r.name(), r.formats, r.method, r.question, fmt.Sprint(robust.Version), fmt.Sprint(r.seed), f(r.bits), fmt.Sprint(r.images), f(r.average), f(r.retention), f(r.stderr), f(r.worst), f(r.below), f(r.belowSE), fmt.Sprint(r.evaluations), fmt.Sprint(r.macs)})
}

// name is the network, and its result of several: in a record that is one name.
func (r outcome) name() string {
	if r.result == "" {
		return r.network
	}
	return r.network + " " + r.result
}

// sealed adds the sum of a row to it.
func sealed(row []string) []string {
	h := sha256.New()
	for _, s := range row {
		fmt.Fprintf(h, "%q\n", s)
	}
	return append(row, hex.EncodeToString(h.Sum(nil))[:12])
}

// sameRun reports whether two outcomes answer the same question.
func (r outcome) sameRun(o outcome) bool {
	return r.question == o.question && r.name() == o.name() && r.formats == o.formats && r.method == o.method && r.seed == o.seed && r.bits == o.bits && r.images == o.images
}

// question is a hash of what outcomes depend on that their other fields do not say:
// network, data and options; the first method, too, which the others are compared with.
func question(o driver.Options, m *ir.Module) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, m, o.Errors, o.Images, o.Objective, o.Rounding, o.Fix, o.MinBits, o.MaxBits, o.Activations, o.Methods[0], m.Calib, m.Test)
	fmt.Fprintln(h, "images are drawn evenly")
	if o.Task != "" && o.Task != measure.Classes {
		fmt.Fprintln(h, o.Task)
	}
	if b := o.Budget; b.Cycles > 0 || b.CyclesOfInt8 > 0 {
		fmt.Fprintln(h, o.Target, o.CPU, o.Attr, b.Cycles, b.CyclesOfInt8)
	}
	if s := o.Sets; len(s.Inputs)+len(s.Labels) > 0 || s.Resize {
		fmt.Fprintln(h, s)
	}
	for _, path := range []string{o.Calib, o.Data} {
		fmt.Fprintln(h, filepath.Base(path))
	}
	if err := m.WriteReals(h, false); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// readRecord reads the outcomes of earlier runs of this version of the search; none
// of a file that is not there.
func readRecord(path string) ([]outcome, error) {
	if path == "" {
		return nil, nil
	}
	f, err := input.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	defer f.Close()
	fault := func(err error) ([]outcome, error) {
		return nil, diag.New(diag.Pos{File: path}, diag.BadFile, "no record of dnnc compare: %v", err)
	}
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fault(err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], columns) {
		return fault(errors.New("its columns are others"))
	}
	var list []outcome
	for k, row := range rows[1:] {
		row, sum := row[:len(row)-1], row[len(row)-1]
		if sealed(slices.Clone(row))[len(row)] != sum {
			return nil, diag.New(diag.Pos{File: path, Line: k + 2, Col: 1}, diag.BadFile, "the line is damaged or cut off: it is not what was written").
				WithHelp("delete the line: its outcome is computed again")
		}
		x := make([]float64, len(row))
		for i := 4; i < len(row); i++ {
			if x[i], err = strconv.ParseFloat(row[i], 64); err != nil {
				return fault(err)
			}
		}
		if int(x[4]) == robust.Version {
			list = append(list, outcome{row[0], row[1], row[2], "", row[3], uint64(x[5]), x[6], int(x[7]), x[8], x[9], x[10], x[11], x[12], x[13], int(x[14]), int64(x[15]), nil})
		}
	}
	return list, nil
}

func appendRecord(path string, list []outcome) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o666)
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	defer f.Close()
	var rows [][]string
	info, err := f.Stat()
	if err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	if info.Size() == 0 {
		rows = append(rows, columns)
	} else if err := endLine(f, info.Size()); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	for _, r := range list {
		rows = append(rows, r.strings())
	}
	if err := csv.NewWriter(f).WriteAll(rows); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	return nil
}

// endLine ends the last line of a file that was cut off before its end.
func endLine(f *os.File, size int64) error {
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err := f.WriteString("\n")
	return err
}
