package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// peer is a library's count of a layer on a target: a row of peers.csv.
type peer struct {
	target, layer, library string
	macs                   float64
	instructions           float64
}

// peersTable has the counts of the best peer (int8) on each layer: gcc, clang: CMSIS-NN at
// 99f736a, -Ofast, the best build on that processor; srgcc: built with single rounding; xnn:
// XNNPACK of Debian 12. They were counted once under QEMU.
//
//go:embed peers.csv
var peersTable string

// readPeers reads a table with the columns target, layer, macs, peer_instructions and peer.
func readPeers(table string) ([]peer, error) {
	const path = "peers.csv"
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var list []peer
	for i, row := range rows[min(1, len(rows)):] {
		if len(row) < 5 {
			return nil, fmt.Errorf("%s:%d: %d columns, not 5 or more", path, i+2, len(row))
		}
		macs, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+2, err)
		}
		instructions, err := strconv.ParseFloat(row[3], 64)
		if err != nil || instructions <= 0 {
			return nil, fmt.Errorf("%s:%d: %q is no count of instructions", path, i+2, row[3])
		}
		list = append(list, peer{row[0], row[1], row[4], macs, instructions})
	}
	return list, nil
}

// compared is a layer's count beside the peer's.
type compared struct {
	peer
	count float64
}

func (c compared) ratio() float64 { return c.count / c.instructions }

// comparePeers counts the layers of the peers, and prints them beside the peers' counts, for each
// target the greatest ratio first. only selects targets and layers.
func comparePeers(w io.Writer, dnnc, dir, only string) error {
	peers, err := readPeers(peersTable)
	if err != nil {
		return err
	}
	list := map[string][]compared{}
	var targets []string
	for _, p := range peers {
		if !wanted(only, p.target, p.layer) {
			continue
		}
		path, err := generate(dir, p.layer)
		if err != nil {
			return err
		}
		n, err := countDefault(dnnc, path, p.target)
		if err != nil {
			return err
		}
		if list[p.target] == nil {
			targets = append(targets, p.target)
		}
		list[p.target] = append(list[p.target], compared{p, n})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\tlayer\tpeer\tits count\tdnnc\tdnnc/peer\tof the limit\t")
	for _, target := range targets {
		slices.SortStableFunc(list[target], func(a, b compared) int { return cmp.Compare(b.ratio(), a.ratio()) })
		for _, c := range list[target] {
			fmt.Fprintf(t, "%s\t%s\t%s\t%.0f\t%.0f\t%.3f\t%s\t\n", target, c.layer, c.library, c.instructions, c.count, c.ratio(), share(c))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("-only names no target or layer that peers were counted on")
	}
	for _, target := range targets {
		mean := 0.
		for _, c := range list[target] {
			mean += math.Log(c.ratio()) / float64(len(list[target]))
		}
		fmt.Fprintf(w, "%s: geometric mean of %d layers %.3f, worst %.3f\n", target, len(list[target]), math.Exp(mean), list[target][0].ratio())
	}
	return nil
}

// limits are the multiply-adds of one instruction of the processors' products.
var limits = map[string]float64{"armv7em": 2, "armv7": 8, "aarch64": 8, "aarch64+dotprod": 16, "armv8.1m": 16, "armv7m": 1, "armv6m": 1}

// share is the instructions that the products alone would take, divided by the count.
func share(c compared) string {
	if c.macs == 0 || limits[c.target] == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", c.macs/limits[c.target]/c.count)
}

// countDefault counts a network's instructions with the default flags.
func countDefault(dnnc, path, target string) (float64, error) {
	cmd := exec.CommandContext(context.Background(), dnnc, "bench", path, "-target", target, "-images", "4", "-json")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w\n%s", err, e.Stderr)
		}
		return 0, fmt.Errorf("%s on %s: %w", path, target, err)
	}
	var c counted
	err = json.Unmarshal(out, &c)
	return float64(c.Instructions), err
}
