package quote

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// awkward are names that some syntax gives a meaning to.
var awkward = []string{
	"plain.dnn", "two words.dnn", "a#b", "a$b", "a$(shell touch PWN)b", "${PWN}", "a;touch PWN", "a:b", "a|b", "a=b", "a%b", `a\b`, `a\ b`, "a\tb", "a\nb: ;touch PWN", "a\r",
	`a"b`, "a'b", "a*b", "a?b", "a[b]", "a]", "~a", "a~", "a&", "a&b", "a(b)", "(b)c", ".PHONY", ".hidden", "-MD", "@a", "@a@", "a`touch PWN`", "a<b>", "$<CONFIG>", "a^b", "!a", "a,b", "ü.dnn", "a\x1b[2Jb", "a\xffb", "a\u202eb", " a", "a ", `a\`, "a*/b", "a??/", "{a}", "+a", "include a", "export a",
}

func needs(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
}

// command runs a tool in a folder, in which nothing that a name asks for may appear.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.NoFileExists(t, filepath.Join(dir, "PWN"))
	return string(out)
}

// TestMake: what is expressed is the file that make and ninja look at: they build again
// when it is newer, and not else.
func TestMake(t *testing.T) {
	needs(t, "make")
	expressed := 0
	for _, name := range awkward {
		q, err := Make(name)
		if err != nil {
			assert.Contains(t, err.Error(), fmt.Sprintf("%q", name))
			continue
		}
		expressed++
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "Makefile"), []byte("all: out\nout:\n\t@touch out; echo built\n-include deps\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "deps"), []byte("out: \\\n  "+q+"\n\n"+q+":\n"), 0o600))
			command(t, dir, "touch", "-d", "2001-01-01", "./"+name)
			assert.Contains(t, command(t, dir, "make"), "built")
			assert.NotContains(t, command(t, dir, "make"), "built")
			command(t, dir, "touch", "-d", "2101-01-01", "./"+name)
			assert.Contains(t, command(t, dir, "make"), "built")
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
			command(t, dir, "make") // no error of make's
		})
		t.Run("ninja "+name, func(t *testing.T) {
			needs(t, "ninja")
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "deps"), []byte("out: \\\n  "+q+"\n\n"+q+":\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "build.ninja"), []byte("rule r\n  command = cp deps d && touch out\n  depfile = d\n  deps = gcc\nbuild out: r\n"), 0o600))
			command(t, dir, "ninja")
			assert.Contains(t, command(t, dir, "ninja", "-t", "deps"), "\n    "+name+"\n")
		})
	}
	assert.GreaterOrEqual(t, expressed, 12)
}

func TestMakeRefuses(t *testing.T) {
	for _, name := range []string{"", "a;b", "a|b", "a=b", "a%b", `a\b`, "a\tb", "a\nb", "a*", ".PHONY", "a(b)", "a&", "~a"} {
		_, err := Make(name)
		assert.Error(t, err, "%q", name)
	}
	q, err := Make("/a b/c$d#e:f")
	require.NoError(t, err)
	assert.Equal(t, `/a\ b/c$$d\#e\:f`, q)
}

func TestCMake(t *testing.T) {
	needs(t, "cmake")
	dir := t.TempDir()
	for _, name := range awkward {
		q, err := CMake(name)
		if err != nil {
			continue
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.cmake"), []byte("file(WRITE \"${CMAKE_CURRENT_LIST_DIR}/got\" "+q+")\n"), 0o600))
		command(t, dir, "cmake", "-P", "a.cmake")
		got, err := os.ReadFile(filepath.Join(dir, "got"))
		require.NoError(t, err)
		assert.Equal(t, name, string(got))
	}
	for _, name := range []string{"a;b", "a\nb", "a\x00"} {
		_, err := CMake(name)
		assert.Error(t, err)
	}
}

func TestPkgConfig(t *testing.T) {
	needs(t, "pkg-config")
	dir := t.TempDir()
	for _, name := range awkward {
		q, err := PkgConfig(name)
		if err != nil {
			continue
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "p.pc"), []byte("Name: p\nDescription: d\nVersion: 1\nLibs: -l"+q+"\n"), 0o600))
		assert.Equal(t, "-l"+name, strings.TrimSpace(command(t, dir, "env", "PKG_CONFIG_PATH=.", "pkg-config", "--libs", "p")))
	}
	for _, name := range []string{"a b", "a$b", "a;b", "a\nb", `a"b`, "a#b", `a\b`} {
		_, err := PkgConfig(name)
		assert.Error(t, err)
	}
}

func TestC(t *testing.T) {
	needs(t, "gcc")
	dir := t.TempDir()
	var b, want strings.Builder
	b.WriteString("#include <stdio.h>\nint main(void) {\n")
	for _, name := range awkward {
		fmt.Fprintf(&b, "/* %s */ fputs(%s, stdout); /* %s*/\n", CComment(name), CString(name), CComment(name))
		want.WriteString(name)
	}
	b.WriteString("return 0; }\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.c"), []byte(b.String()), 0o600))
	for _, std := range []string{"c99", "gnu17"} {
		command(t, dir, "gcc", "-std="+std, "-trigraphs", "-Wall", "-Werror", "-o", "a", "a.c")
		assert.Equal(t, want.String(), command(t, dir, "./a"))
	}
}

func TestShell(t *testing.T) {
	needs(t, "sh")
	dir := t.TempDir()
	for _, name := range append(awkward, "") {
		assert.Equal(t, name, command(t, dir, "sh", "-c", "printf %s "+Shell(name)))
	}
}

func TestText(t *testing.T) {
	for _, name := range []string{`a"b`, "a\nb"} {
		_, err := Text(name)
		assert.Error(t, err)
	}
	q, err := Text(`a\b`)
	require.NoError(t, err)
	assert.Equal(t, `"a\b"`, q)
}

func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü\n\tb": "plain ü\n\tb", "a\x1b[2Jb": `a\x1b[2Jb`, "a\rb": `a\x0db`, "a\xffb": `a\xffb`, "a\u009bb": `a\u009bb`, "a\u202eb": `a\u202eb`, "\ufffd": "\ufffd", "\x7f": `\x7f`,
	} {
		assert.Equal(t, want, Lines(in))
	}
	assert.Equal(t, `a\x0ab`, Line("a\nb"))
}

// TestCharacters: each character of ASCII, alone between two letters, in each syntax: what
// has no meaning there is left as it is.
func TestCharacters(t *testing.T) {
	const alnum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	plain := map[string]string{
		"Make": alnum + "!()+,-./@_{}~", "CMake": alnum + " !#%&'()*+,-./:<=>?[]^_`{|}~",
		"PkgConfig": alnum + "+-.,@/:_", "Shell": alnum + "_+-.,@%/:=", "CString": alnum + " !#$%&'()*+,-./:;<=>@[]^_`{|}~", "Line": alnum + " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
	}
	quoted := func(f func(string) (string, error)) func(string) (string, error) {
		return func(s string) (string, error) {
			q, err := f(s)
			return strings.TrimSuffix(strings.TrimPrefix(q, `"`), `"`), err
		}
	}
	always := func(f func(string) string) func(string) (string, error) {
		return func(s string) (string, error) { return f(s), nil }
	}
	for syntax, f := range map[string]func(string) (string, error){
		"Make": Make, "CMake": quoted(CMake), "PkgConfig": PkgConfig, "Shell": always(Shell), "CString": quoted(always(CString)), "Line": always(Line),
	} {
		for c := range rune(128) {
			name := "a" + string(c) + "b"
			q, err := f(name)
			assert.Equal(t, strings.ContainsRune(plain[syntax], c), err == nil && q == name, "%q in %s gives %q", c, syntax, q)
		}
	}
}

// TestEnds: characters that mean something at the beginning or at the end alone.
func TestEnds(t *testing.T) {
	for name, ok := range map[string]bool{
		"(a)": false, "a(b": true, "a)": true, ".": true, ".A": false, ".Z_": false, ".a": true, ".Ab": true, "A.B": true, "~": false, "a~": true, " a": false, "a ": false,
	} {
		_, err := Make(name)
		assert.Equal(t, ok, err == nil, "%q", name)
	}
	for text, want := range map[string]string{"": "''", "a b": "'a b'", "it's": `'it'\''s'`, "%": "%"} {
		assert.Equal(t, want, Shell(text))
	}
	for text, want := range map[string]string{"\x1f": `"\037"`, " ": `" "`, "~": `"~"`, "\x7f": `"\177"`, "ü": `"\303\274"`, `"\?`: `"\"\\\?"`} {
		assert.Equal(t, want, CString(text))
	}
	for _, text := range []string{"\"", "\n", "a\r"} {
		_, err := Text(text)
		assert.Error(t, err, "%q", text)
	}
	for text, want := range map[string]string{"\x00": `\x00`, "\x7f": `\x7f`, "\u0080": `\u0080`, "\u2028": `\u2028`, "\u2029a": `\u2029a`, "\ufffd\x1b": "\ufffd" + `\x1b`} {
		assert.Equal(t, want, Line(text))
	}
	assert.Equal(t, "* /a/ *", CComment("*/a/*"))
	for text, want := range map[string]string{
		"net.onnx": "`net.onnx`", "<img src=x onerror=a()>": "`<img src=x onerror=a()>`", "a`<b>`c": "``a`<b>`c``", "`": "`` ` ``", "a```": "```` a``` ````", "": "`  `", "a\n# b": "`a\\x0a# b`",
	} {
		assert.Equal(t, want, Markdown(text))
	}
}
