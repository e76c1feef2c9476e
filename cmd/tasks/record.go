package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/dnnc/dnnc/runtime/replace"
)

var columns = []string{"example", "result", "task", "measure", "from", "seed", "budget", "way", "float", "bits", "kept", "kept_stderr", "gap", "gap_stderr"}

// numbers are the figures of the last columns.
func (f *figure) numbers() []*float64 {
	return []*float64{&f.float, &f.bits, &f.kept, &f.keptE, &f.gap, &f.gapE}
}

// readRecord reads the figures so far; none where there is no file.
func readRecord(path string) (list []figure, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.FieldsPerRecord = len(columns)
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	for i, row := range rows[1:] {
		f := figure{example: row[0], result: row[1], task: row[2], measure: row[3], from: row[4], budget: row[6], way: row[7]}
		if f.seed, err = strconv.ParseUint(row[5], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", path, i+2, err)
		}
		for k, x := range f.numbers() {
			if *x, err = strconv.ParseFloat(row[8+k], 64); err != nil {
				return nil, fmt.Errorf("%s: row %d: %w", path, i+2, err)
			}
		}
		list = append(list, f)
	}
	return list, nil
}

func writeRecord(path string, list []figure) error {
	return replace.With(path, func(w io.Writer) error {
		rows := [][]string{columns}
		for _, f := range list {
			row := []string{f.example, f.result, f.task, f.measure, f.from, fmt.Sprint(f.seed), f.budget, f.way}
			for _, x := range f.numbers() {
				row = append(row, strconv.FormatFloat(*x, 'g', -1, 64))
			}
			rows = append(rows, row)
		}
		return csv.NewWriter(w).WriteAll(rows)
	})
}
