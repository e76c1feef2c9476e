package project

import (
	"bytes"
	"embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir/diag"
)

//go:embed templates
var templates embed.FS

// staged has a project written into a temporary folder, and puts it in its place when all of
// it is there.
func (p *project) staged(dir string, write func() error) (err error) {
	bad := func(err error) error { return diag.New(diag.Pos{File: dir}, diag.BadOutput, "%v", err) }
	parent := dir
	_, missing := os.Stat(dir)
	if missing != nil {
		parent = filepath.Dir(dir)
		if err := os.MkdirAll(parent, 0o755); err != nil {
			return bad(err)
		}
	}
	if p.dir, err = os.MkdirTemp(parent, ".dnnc-new-*"); err != nil {
		return bad(err)
	}
	defer os.RemoveAll(p.dir)
	if err := write(); err != nil {
		return err
	}
	if missing != nil {
		if err := os.Chmod(p.dir, 0o755); err != nil {
			return bad(err)
		}
		if err := os.Rename(p.dir, dir); err != nil {
			return bad(err)
		}
		return nil
	}
	list, err := os.ReadDir(p.dir)
	if err != nil {
		return bad(err)
	}
	for _, e := range list {
		if err := os.Rename(filepath.Join(p.dir, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return bad(err)
		}
	}
	return nil
}

func (p *project) path(name string) string {
	return filepath.Join(p.dir, filepath.FromSlash(strings.ReplaceAll(name, "PREFIX", p.Prefix)))
}

func (p *project) write(name string, content []byte) error {
	path := p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	return driver.Replace(path, content)
}

func (p *project) templates(k kind) error {
	for name, from := range k.files {
		t, err := template.ParseFS(templates, "templates/common/parts.tmpl", "templates/"+from+".tmpl")
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, filepath.Base(from)+".tmpl", p); err != nil {
			return err
		}
		if err := p.write(name, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
