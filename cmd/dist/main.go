// Command dist builds what a release consists of: static binaries; archives, Debian packages and
// Python wheels around them; files of two containers; checksums, the licences of what all that is
// made of, and a bill of materials in CycloneDX. Equal sources and Go give equal bytes; nothing has
// a path, or a time but one.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/version"
)

//go:embed container
var containers embed.FS

// platforms are those that a release is for.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

func main() {
	log.SetFlags(0)
	dir := flag.String("o", "bin/dist", "the `folder` of the release")
	only := flag.String("only", strings.Join(platforms, ","), "a `list` of platforms")
	flag.Parse()
	if err := release(*dir, strings.Split(*only, ",")); err != nil {
		log.Fatal("dist: ", err)
	}
}

func release(dir string, platforms []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	modules := map[string]*debug.Module{}
	var files []string
	binaries := map[string]string{} // by platform
	for _, p := range platforms {
		name, err := build(dir, p)
		if err != nil {
			return err
		}
		files, binaries[p] = append(files, name), name
		info, err := buildinfo.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		for _, m := range info.Deps {
			modules[m.Path] = m
		}
	}
	var list []*debug.Module
	for _, m := range modules {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *debug.Module) int { return strings.Compare(a.Path, b.Path) })
	licences, err := licences(list)
	if err != nil {
		return err
	}
	bill, err := bill(list)
	if err != nil {
		return err
	}
	loose := map[string][]byte{"LICENSES.txt": licences, "dnnc-" + version.Compiler + ".cdx.json": bill}
	for _, name := range []string{"compile.Containerfile", "verify.Containerfile"} {
		if loose[name], err = containers.ReadFile("container/" + name); err != nil {
			return err
		}
	}
	for name, content := range loose {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
		files = append(files, name)
	}
	host := runtime.GOOS + "/" + runtime.GOARCH
	own, err := filepath.Abs(filepath.Join(dir, binaries[host]))
	if err != nil {
		return err
	}
	if binaries[host] == "" {
		folder, err := os.MkdirTemp("", "dnnc-dist-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		name, err := build(folder, host)
		if err != nil {
			return err
		}
		own = filepath.Join(folder, name)
	}
	for _, p := range platforms {
		packages := []func(dir, platform, binary string, licences, bill []byte) (string, error){archive, wheel}
		if architectures[p] != "" {
			packages = append(packages, func(dir, platform, binary string, licences, bill []byte) (string, error) {
				return deb(own, dir, platform, binary, licences, bill)
			})
		}
		for _, pack := range packages {
			name, err := pack(dir, p, binaries[p], licences, bill)
			if err != nil {
				return err
			}
			files = append(files, name)
		}
	}
	slices.Sort(files)
	var sums strings.Builder
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// buildName is the name of a platform's binary.
func buildName(platform string) (string, error) {
	goos, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return "", fmt.Errorf("%q is no platform as linux/amd64", platform)
	}
	name := fmt.Sprintf("dnnc-%s-%s-%s", version.Compiler, goos, arch)
	if goos == "windows" {
		name += ".exe"
	}
	return name, nil
}

// build makes a binary of a platform and returns its name.
func build(dir, platform string) (string, error) {
	name, err := buildName(platform)
	if err != nil {
		return "", err
	}
	goos, arch, _ := strings.Cut(platform, "/")
	flags := "-ldflags=-s -w -buildid="
	if goos == "linux" { // to see a closed standard output
		flags += " -E github.com/dnnc/dnnc/cmd/dnnc/internal/terminal.entry"
	}
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", flags, "-o", filepath.Join(dir, name), "./cmd/dnnc")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+arch, "GOAMD64=v1", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %v\n%s", platform, err, out)
	}
	return name, nil
}

// licenceFile is what modules call the files of their licences.
var licenceFile = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying|notice|patents)([-._].*)?$`)

// sample is the folder of the example that every binary carries, with the licence of its data.
const sample, sampleName = "testdata/lenet5", "fashion-mnist"

// licences are the texts of dnnc's own, of Go's, of all modules' and of the data that the binary
// carries; a module without one is an error.
func licences(list []*debug.Module) ([]byte, error) {
	out := strings.Builder{}
	add := func(title, dir string) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		found := false
		for _, e := range entries {
			if !licenceFile.MatchString(e.Name()) || e.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return err
			}
			found = true
			fmt.Fprintf(&out, "==== %s: %s ====\n\n%s\n\n", title, e.Name(), strings.TrimSpace(string(text)))
		}
		if !found {
			return fmt.Errorf("%s has no licence in %s", title, dir)
		}
		return nil
	}
	if err := add("dnnc "+version.Compiler, "."); err != nil {
		return nil, err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	if err := add("Go "+strings.TrimPrefix(runtime.Version(), "go"), strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	for _, m := range list {
		where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", m.Path).Output()
		if err != nil {
			return nil, err
		}
		if err := add(m.Path+" "+m.Version, strings.TrimSpace(string(where))); err != nil {
			return nil, err
		}
	}
	if err := add("Sample of Fashion-MNIST", sample); err != nil {
		return nil, err
	}
	return []byte(out.String()), nil
}

// component is one of CycloneDX 1.5.
type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`

	Licenses []map[string]any `json:"licenses,omitempty"`
}

// bill is the list of what binaries are made of.
func bill(list []*debug.Module) ([]byte, error) {
	licence := func(id string) []map[string]any {
		return []map[string]any{{"license": map[string]string{"id": id}}}
	}
	self := component{"application", "dnnc", "dnnc", version.Compiler, "", licence("Apache-2.0")}
	std := strings.TrimPrefix(runtime.Version(), "go")
	parts := []component{
		{"library", "std", "std", std, "pkg:golang/std@" + std, licence("BSD-3-Clause")},
		{"data", sampleName, sampleName, version.Compiler, "", licence("MIT")},
	}
	refs := []string{"std", sampleName}
	for _, m := range list {
		url := "pkg:golang/" + m.Path + "@" + m.Version
		parts, refs = append(parts, component{"library", url, m.Path, m.Version, url, nil}), append(refs, url)
	}
	return json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata": map[string]any{"component": self}, "components": parts,
		"dependencies": []map[string]any{{"ref": self.Ref, "dependsOn": refs}},
	}, "", "  ")
}
