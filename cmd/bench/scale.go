package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dnnc/dnnc/cmd/bench/giant"
)

// size is a bar for a network of full size: how long its compilation takes at
// most, and how many bytes of memory as a multiple of its float32 weights'.
type size struct {
	network string
	most    time.Duration
	ratio   float64
}

var sizes = []size{{"alexnet224", 30 * time.Second, 1.2}, {"vgg16-224", 60 * time.Second, 1.2}}

// scaleFlags are how networks of full size are compiled for the bars.
var scaleFlags = []string{"-O", "universal", "-bits", "4", "-rounding", "nearest", "-target", "aarch64"}

// usage is what a process took: by the clock, of processor time (its children's
// included), and of memory that no file backs, sampled, for the process itself and
// for all of its tree at once.
type usage struct {
	took, processor time.Duration
	own, tree       int // bytes
}

// scale compiles the networks of full size, and those of package giant, and prints what that takes
// beside the bars, which the latter do not have. Linux only: memory is read from /proc.
func scale(dnnc, dir, only string) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "network\tweights, MB\tbar, s\tmeasured, s\tof processor, s\tbar, MB\tdnnc, MB\twith LLVM, MB\t")
	met, set := 0, 0
	for _, s := range sizes {
		if only != "" && only != s.network {
			continue
		}
		path, err := generate(dir, s.network)
		if err != nil {
			return err
		}
		u, bytes, err := compiled(dnnc, path, strings.TrimSuffix(path, ".dnn")+".safetensors", filepath.Join(dir, s.network+".o"))
		if err != nil {
			return err
		}
		bar := s.ratio * float64(bytes)
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%s\t%.0f\t%s\t\n", s.network, megabytes(bytes), s.most.Seconds(), u.times(), bar/1e6, u.memory())
		for _, holds := range []bool{u.took <= s.most, float64(u.tree) <= bar} {
			if set++; holds {
				met++
			}
		}
	}
	for _, name := range giant.Names() {
		if only != "" && only != name {
			continue
		}
		raw, err := giant.Write(name)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, name+".onnx")
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			return err
		}
		u, bytes, err := compiled(dnnc, path, path, filepath.Join(dir, name+".o"))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%.0f\t-\t%s\t-\t%s\t\n", name, megabytes(bytes), u.times(), u.memory())
	}
	w.Flush()
	fmt.Printf("dnnc %s; memory: the greatest RssAnon, sampled every %v\n%d of %d bars are met\n", strings.Join(scaleFlags, " "), interval, met, set)
	return nil
}

// compiled is what it takes to compile a network, and the bytes of its weights' file.
func compiled(dnnc, path, tensors, object string) (u usage, bytes int, err error) {
	file, err := os.Stat(tensors)
	if err != nil {
		return u, 0, err
	}
	u, err = watch(exec.Command(dnnc, append([]string{path, "-o", object}, scaleFlags...)...))
	return u, int(file.Size()), err
}

func (u usage) times() string {
	return fmt.Sprintf("%.1f\t%.1f", u.took.Seconds(), u.processor.Seconds())
}

func (u usage) memory() string {
	return fmt.Sprintf("%.0f\t%.0f", megabytes(u.own), megabytes(u.tree))
}

func megabytes(n int) float64 { return float64(n) / 1e6 }

// interval is the time between two samples of memory.
const interval = 10 * time.Millisecond

// watch runs a command and samples its memory.
func watch(cmd *exec.Cmd) (u usage, err error) {
	var messages strings.Builder
	cmd.Stdout, cmd.Stderr = &messages, &messages
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return u, err
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			own, tree := memory(cmd.Process.Pid)
			u.own, u.tree = max(u.own, own), max(u.tree, tree)
			continue
		case err = <-ended:
		}
		u.took = time.Since(start)
		u.processor = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if err != nil {
			return u, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, messages.String())
		}
		return u, nil
	}
}

// memory is the bytes that a process, and with it all processes below it, hold in
// memory and that no file backs. A process that is gone holds none, and one that is
// about to become another still shares its parent's.
func memory(pid int) (own, tree int) {
	own = anonymous(pid)
	tree = own
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range lists {
		children, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(children)) {
			if child, err := strconv.Atoi(f); err == nil && command(child) != command(pid) {
				_, below := memory(child)
				tree += below
			}
		}
	}
	return own, tree
}

// command is a process's arguments.
func command(pid int) string {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(line)
}

func anonymous(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			if kib, err := strconv.Atoi(f[1]); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
