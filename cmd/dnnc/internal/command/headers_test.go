//go:build unix

package command_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
)

// compiled runs a compiler and returns what it says.
func compiled(args ...string) (string, error) {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

// TestHeadersThatDifferInCase: macros of net and Net are the same. A source with both
// headers is refused, in whichever order, as is one with two builds of one network; a
// program of two sources links and is right.
func TestHeadersThatDifferInCase(t *testing.T) {
	dnnctest.Need(t, "gcc")
	folderOf(t, nil)
	for _, n := range []struct{ name, shape string }{{"net", "f32[2,4,4]"}, {"Net", "f32[3,2,5]"}} {
		text := strings.ReplaceAll(strings.Replace(tiny, "network net", "network "+n.name, 1), "f32[2,4,4]", n.shape)
		require.NoError(t, os.WriteFile(n.name+"1.dnn", []byte(text), 0o644))
		code, _, stderr := dnnctest.Run(t, n.name+"1.dnn", "-target", "armv6m", "-emit", "c", "-o", n.name+"1.c")
		require.Zero(t, code, stderr)
		source := fmt.Sprintf("#include \"%[1]s1.h\"\n#include \"%[1]s1.h\"\nint use_%[1]s(void) {\n static int8_t x[NET_INPUT_BYTES], y[NET_OUTPUT_BYTES];\n static %[1]s_arena a;\n return %[1]s_matches() && !%[1]s_run(x, y, &a) ? NET_INPUT_BYTES : 0;\n}\n", n.name)
		require.NoError(t, os.WriteFile("use"+n.name+".c", []byte(source), 0o644))
	}
	require.NoError(t, os.WriteFile("main.c", []byte("#include <stdio.h>\nint use_net(void), use_Net(void);\nint main(void) { printf(\"%d %d\\n\", use_net(), use_Net()); return 0; }\n"), 0o644))
	out, err := compiled("gcc", "-Wall", "-Werror", "-o", "app", "main.c", "usenet.c", "useNet.c", "net1.c", "Net1.c")
	require.NoError(t, err, out)
	out, err = compiled("./app")
	require.NoError(t, err)
	assert.Equal(t, "32 30\n", out)

	code, _, stderr := dnnctest.Run(t, "net1.dnn", "-target", "armv6m", "-emit", "c", "-hooks", "-o", "again.c")
	require.Zero(t, code, stderr)
	for _, pair := range [][2]string{{"net1", "Net1"}, {"Net1", "net1"}, {"net1", "again"}} {
		require.NoError(t, os.WriteFile("both.c", []byte("#include \""+pair[0]+".h\"\n#include \""+pair[1]+".h\"\n"), 0o644))
		out, err = compiled("gcc", "-c", "both.c")
		assert.Error(t, err)
		assert.Contains(t, out, "#error")
		assert.Contains(t, out, "another network's header")
	}
	code, _, stderr = dnnctest.Run(t, "Net1.dnn", "-target", "armv6m", "-emit", "c", "-prefix", "other", "-o", "other.c")
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile("both.c", []byte("#include \"net1.h\"\n#include \"other.h\"\n"), 0o644))
	out, err = compiled("gcc", "-Wall", "-Werror", "-c", "both.c")
	assert.NoError(t, err, out)
}

// TestHeadersHideNoOthers: a header called like one of C's is refused before it is written.
func TestHeadersHideNoOthers(t *testing.T) {
	dir := folderOf(t, map[string]string{"net.dnn": strings.Replace(tiny, "network net", "network stdint", 1)})
	for _, args := range [][]string{{}, {"-o", "math.c"}} {
		code, _, stderr := dnnctest.Run(t, append([]string{"net.dnn", "-target", "armv6m", "-emit", "c"}, args...)...)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, "would hide <")
		assert.Len(t, tree(t, dir), 1)
	}
	code, _, stderr := dnnctest.Run(t, "net.dnn", "-target", "armv6m", "-emit", "c", "-o", "mine.c")
	assert.Zero(t, code, stderr)
}

// TestNamesAreNoMacros: a value may be called like a macro of the header or of a compiler,
// a keyword or a type: header and C compile as every dialect.
func TestNamesAreNoMacros(t *testing.T) {
	dnnctest.Need(t, "gcc", "g++")
	folderOf(t, nil)
	names := []string{
		"T_ARENA_BYTES", "T_INPUT_BYTES", "T_CONTENT", "T_ALIGNED", "T_STEPS", "T_H", "t_run", "t_arena", "t_step_arena", "T", "t", "arena", "step", "weights", "weights_", "linux", "unix", "i386", "INT8_MAX", "UINT8_C", "NULL", "__LINE__", "_Bool", "__cplusplus", "__x86_64__",
		"int", "int8_t", "int16_t", "int32_t", "uint8_t", "class", "thread_local", "typeid", "bitand", "requires", "static_assert", "asm", "typeof", "concept", "a.b", "a-b", "ld8", "memcpy", "main", "i", "status", "index", "DNNC_FN", "DNNC_UNUSED", "in_a", "y", "x0",
	}
	var inputs, sums strings.Builder
	last := ""
	for i, n := range names {
		if i > 0 {
			inputs.WriteString(", ")
		}
		fmt.Fprintf(&inputs, "%s: f32[1,2,2] in [0,1]", strings.NewReplacer("a.b", "a_b", "a-b", "a_b_").Replace(n))
		n = strings.NewReplacer("a.b", "a_b", "a-b", "a_b_").Replace(n)
		if i == 0 {
			last = n
			continue
		}
		fmt.Fprintf(&sums, "  s%d = add(%s, %s)\n", i, last, n)
		last = fmt.Sprintf("s%d", i)
	}
	text := "network t(" + inputs.String() + ") -> f32[1,2,2] {\n" + sums.String() + "  T_OUTPUT_BYTES = relu(" + last + ")\n  return T_OUTPUT_BYTES\n}\n"
	require.NoError(t, os.WriteFile("t.dnn", []byte(text), 0o644))
	code, _, stderr := dnnctest.Run(t, "t.dnn", "-target", "armv6m", "-emit", "c", "-o", "t.c", "-images", "16")
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile("use.c", []byte("#include \"t.h\"\nint size = T_ARENA_BYTES;\n"), 0o644))
	for _, c := range [][]string{{"gcc", "-std=c99"}, {"gcc", "-std=gnu17"}, {"g++", "-xc++", "-std=c++11"}, {"g++", "-xc++", "-std=gnu++20"}} {
		out, err := compiled(append(c, "-Wall", "-Werror", "-c", "use.c")...)
		assert.NoError(t, err, "%v: %.600s", c, out)
	}
	for _, std := range []string{"-std=c99", "-std=gnu17"} {
		out, err := compiled("gcc", std, "-Wall", "-c", "t.c")
		assert.NoError(t, err, "%.600s", out)
	}
}
