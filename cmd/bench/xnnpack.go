package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/dnnc/dnnc/runtime/emu"
)

//go:embed xnnpack/xnnpack.c
var xnnpackText []byte

// xnnpackLayers are the arguments of xnnpack.c for the layers of the table.
var xnnpackLayers = map[string][]string{
	"conv3x3": {"32", "32", "32", "3"},
	"conv1x1": {"32", "32", "64", "1"},
	"linear":  {"0", "800", "500", "1"},
	"deep3x3": {"8", "128", "128", "3"},
}

// xnnpack counts XNNPACK's instructions of each layer on a Cortex-A with NEON, in
// millions. root is a folder of Debian's armhf packages, unpacked.
func xnnpack(ctx context.Context, root, dir string) (map[string]float64, error) {
	source, program := filepath.Join(dir, "xnnpack.c"), filepath.Join(dir, "xnnpack")
	if err := os.WriteFile(source, xnnpackText, 0o644); err != nil {
		return nil, err
	}
	libraries := filepath.Join(root, "usr/lib/arm-linux-gnueabihf")
	cc := exec.CommandContext(ctx, "arm-linux-gnueabihf-gcc", "-O2", "-I", filepath.Join(root, "usr/include"), source, "-o", program,
		"-L", libraries, "-l:libXNNPACK.so.0", "-Wl,--allow-shlib-undefined")
	if out, err := cc.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cc, err, out)
	}
	plugin, err := emu.Counter(ctx, dir)
	if err != nil {
		return nil, err
	}
	counts := map[string]float64{}
	for layer, args := range xnnpackLayers {
		var total [2]int
		for i := range total { // a run, and two
			c := exec.CommandContext(ctx, "qemu-arm", append([]string{"-cpu", "cortex-a9", "-L", "/usr/arm-linux-gnueabihf", "-E", "LD_LIBRARY_PATH=" + libraries,
				"-plugin", plugin, "-d", "plugin", program}, append(args, strconv.Itoa(i+1))...)...)
			out, err := c.CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", c, err, out)
			}
			at, err := emu.Counted(string(out))
			if err != nil || len(at) != 1 {
				return nil, fmt.Errorf("%s: no count in %q", c, out)
			}
			total[i] = at[0]
		}
		counts[layer] = float64(total[1]-total[0]) / 1e6
	}
	return counts, nil
}
