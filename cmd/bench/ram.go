package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
)

// bounds is the number of bounds on the arena between the least and the default.
const bounds = 10

// mostStep is the greatest ratio of the instructions within a bound to those within the next larger one.
const mostStep = 1.3

// ramTarget is the processor that -ram counts on, unless -only names others.
const ramTarget = "armv7em"

// sweep is the counts of a network within bounds on its arena, the least one first.
type sweep []within

// within is the arena and the instructions of a network within a bound, all but the last in bytes.
type within struct{ bound, arena, instructions int }

// steps are the ratios of the instructions within each bound to those within the next one.
func (s sweep) steps() (list []float64) {
	for i, w := range s[1:] {
		list = append(list, float64(s[i].instructions)/float64(w.instructions))
	}
	return list
}

// faults are the rows that do not hold what -ram promises.
func (s sweep) faults() (list []string) {
	for i, w := range s {
		if w.arena > w.bound {
			list = append(list, fmt.Sprintf("the arena of %d bytes breaks the bound of %d", w.arena, w.bound))
		}
		if i == 0 {
			continue
		}
		switch step := s.steps()[i-1]; {
		case step < 1:
			list = append(list, fmt.Sprintf("%d bytes take more instructions than %d", w.bound, s[i-1].bound))
		case step > mostStep:
			list = append(list, fmt.Sprintf("%d bytes take %.2f times the instructions of %d", s[i-1].bound, step, w.bound))
		}
	}
	return list
}

// compareRAM counts networks, files separated by commas, within bounds on the arena between the
// least one and what a build takes without a bound.
func compareRAM(w io.Writer, dnnc, files, only string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "network\ttarget\tbound\tarena\tinstructions\tof the next bound")
	var faults []string
	for path := range strings.SplitSeq(files, ",") {
		for target := range strings.SplitSeq(cmp.Or(only, ramTarget), ",") {
			s, name, err := sweepOf(dnnc, path, target)
			if err != nil {
				return err
			}
			for i, b := range s {
				step := "-"
				if i+1 < len(s) {
					step = fmt.Sprintf("%.3f", s.steps()[i])
				}
				fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\n", name, target, b.bound, b.arena, b.instructions, step)
			}
			for _, f := range s.faults() {
				faults = append(faults, fmt.Sprintf("%s on %s: %s", name, target, f))
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n"))
	}
	return nil
}

// sweepOf counts a network within bounds at equal distances.
func sweepOf(dnnc, path, target string) (s sweep, name string, err error) {
	least, err := leastRAM(dnnc, path, target)
	if err != nil {
		return nil, "", err
	}
	free, err := countWithin(dnnc, path, target, "")
	if err != nil {
		return nil, "", err
	}
	for i := range bounds - 1 {
		bound := least + i*(free.Arena-least)/(bounds-1)
		c, err := countWithin(dnnc, path, target, strconv.Itoa(bound))
		if err != nil {
			return nil, "", err
		}
		s = append(s, within{bound, c.Arena, c.Instructions})
	}
	return append(s, within{free.Arena, free.Arena, free.Instructions}), free.Network, nil
}

// countWithin counts a network within a bound on its arena; without one where it is empty.
func countWithin(dnnc, path, target, ram string) (c counted, err error) {
	args := []string{"bench", path, "-target", target, "-images", "8", "-rounding", "nearest", "-json"}
	if ram != "" {
		args = append(args, "-ram", ram)
	}
	cmd := exec.Command(dnnc, args...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("%s %s: %w\n%s", dnnc, strings.Join(args, " "), err, messages.String())
	}
	return c, json.Unmarshal(out.Bytes(), &c)
}

var leastPossible = regexp.MustCompile(`the least possible in the chosen formats is -ram (\d+)`)

// leastRAM is the least bound that dnnc names where it refuses one.
func leastRAM(dnnc, path, target string) (int, error) {
	_, err := countWithin(dnnc, path, target, "1")
	if err == nil {
		return 1, nil
	}
	m := leastPossible.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, err
	}
	return strconv.Atoi(m[1])
}
