# dnnc: the two commands of the README are `make demo` and `make test`.

GO ?= go
# Debian packages beyond Go and make: LLVM's opt and llc, a linker, an emulator,
# and for the tests cross compilers and the emulator's boards.
PACKAGES = llvm-19 lld-19 qemu-user
TEST_PACKAGES = gcc g++ libc6-dev gcc-arm-linux-gnueabihf libc6-dev-armhf-cross gcc-arm-linux-gnueabi libc6-dev-armel-cross \
	qemu-system-arm gcc-arm-none-eabi libnewlib-arm-none-eabi clang-19 cmake ninja-build pkg-config neovim zsh fish
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all demo dist experiments keep-check peers peers-networks peers-products peers-quantized proofs test test-adoption test-full validated mutate mutate-all matrix bench results tasks tuning same site check tools test-tools clean FORCE

all: bin/dnnc

# Where the program begins on Linux, to see a closed standard output: go doc ./cmd/dnnc/internal/terminal Closed
ENTRY = $(if $(filter linux/amd64 linux/arm64,$(shell $(GO) env GOOS)/$(shell $(GO) env GOARCH)),-ldflags "-E github.com/dnnc/dnnc/cmd/dnnc/internal/terminal.entry")
bin/dnnc: FORCE
	CGO_ENABLED=0 $(GO) build -trimpath $(ENTRY) -o $@ ./cmd/dnnc

FORCE:

tools:
	@.ci/install $(PACKAGES)

test-tools:
	@.ci/install $(PACKAGES) $(TEST_PACKAGES)

# The first minute: LeNet-5 from text to an object that is proven to compute what
# was measured. The dump beside the object gives the same object again, so that
# verify need not search a second time.
demo: tools bin/dnnc
	mkdir -p bin/demo
	bin/dnnc -O robust testdata/lenet5/lenet5.dnn -target armv7 -emit obj,ir -o bin/demo/lenet5.o -report layers,accuracy,search,memory
	bin/dnnc verify bin/demo/lenet5.out.dnn -target armv7 -n 500 -data testdata/lenet5/fashion-test-images-idx3-ubyte.gz
	ls -l bin/demo

# What begins goroutines, or runs what does, for the race detector; test-full has every package.
RACY = . ./ir/parallel ./ir/kernel/micro ./passes ./passes/pass ./passes/quant/... ./passes/robust ./passes/tune \
	./runtime/... ./cmd/dnnc/internal/lsp

# Every test that takes at most minutes, as .ci/run calls it. Whole searches, matrices,
# fuzzing and the race detector on all packages are of test-full.
test: test-tools check
	$(GO) test -timeout 20m ./...
	$(GO) test -race -short -timeout 20m $(RACY)

# Every format that a file of others can have, from the corpora of the tests on; hours by
# hand, as in go test -run XXX -fuzz FuzzParse -fuzztime 2h ./frontend/onnx
fuzz = set -e; for f in Parse:syntax Read:weights Parse:onnx Parse:tflite Open:dataset; do \
	$(GO) test -run XXX -fuzz "Fuzz$${f%:*}" -fuzztime $(1) ./frontend/$${f\#*:}; done

# What takes longer: whole searches, every width on every target on 500 images, accuracy
# on Fashion-MNIST's 10,000 test images (Debian's dataset-fashion-mnist), hundreds of runs
# that are killed, every byte changed, streams of 1,000 frames on five targets, projects of every kind and task, examples and recurrent networks on four targets, the conformance
# suite in every format on every target, the rule of -keep 120,000 times, C of every format by every compiler, 3,000
# random networks, the race detector on every package, a minute of fuzzing for each
# parser.
test-full: test-tools
	@.ci/install dataset-fashion-mnist
	DNNC_FULL=1 $(GO) test -v -timeout 60m ./passes
	DNNC_FULL=1 $(GO) test -v -timeout 60m -run "PromisesAreKept|ManyWorkers" ./passes/robust
	DNNC_FULL=1 $(GO) test -v -timeout 60m -run "FullVerify|ExamplesVerify|RecurrentVerifies|EmbeddingVerifies|EveryByte|Streams" ./cmd/dnnc/internal/verify
	DNNC_FULL=1 $(GO) test -timeout 60m -run ProjectsOfEveryTask ./cmd/dnnc/internal/project
	DNNC_FULL=1 $(GO) test -timeout 60m -run EveryByteDamaged ./frontend/tflite
	DNNC_FULL=1 $(GO) test -v -timeout 60m -run "FullAccuracy|FullPlane" ./cmd/dnnc/internal/eval
	DNNC_FULL=1 $(GO) test -v -timeout 60m -run Killed ./cmd/dnnc/internal/driver
	DNNC_FULL=1 $(GO) test -timeout 60m ./cmd/dnnc/internal/cluster
	DNNC_FULL=1 $(GO) test -v -timeout 120m -run ParsersWithstand ./cmd/dnnc/internal/command
	DNNC_FULL=1 $(GO) test -timeout 180m -run "Conformance|EqualCounts|Chains|CEqualsInterpreter|PlansAreTheirAttributes|Layouts|SmallCode|OtherProducts|Blocks|EveryOperationFollows" ./codegen/network
	DNNC_FULL=1 $(GO) test -timeout 90m -run RandomNetworks ./cmd/dnnc/internal/fuzz
	$(GO) test -race -short -timeout 60m ./...
	$(call fuzz,1m)

# How much tests notice: N random changes of each package of PKG (patterns of go list), one
# at a time, each held to the package's own tests; what survives is listed.
# cmd/mutate/equal.txt has the mutants that are equal programs.
PKG ?= ./passes/graph
N ?= 100
SEED ?= 1
BAR ?= 70
mutate:
	$(GO) run ./cmd/mutate -n $(N) -seed $(SEED) -bar $(BAR) $(PKG)

# The same of every package that has a bar: 85 percent where integers are computed and
# networks are rewritten, 70 in the rest of the compiler. Packages whose names end in test
# only serve the tests of others.
STRICT = ./runtime/kernels ./runtime/interp ./passes/graph $$($(GO) list ./ir/kernel/... | grep -v 'test$$')
mutate-all:
	$(GO) run ./cmd/mutate -n $(N) -seed $(SEED) -bar 85 $(STRICT); strict=$$?; \
	$(GO) run ./cmd/mutate -n $(N) -seed $(SEED) -bar 70 $$($(GO) list ./ir/... ./passes/... ./frontend/... | grep -v -e '/ir/kernel' -e '/passes/graph$$' -e 'test$$'); \
	exit $$((strict | $$?))

# Every format on every target in whole networks, 20 inputs each: 768 combinations,
# most of a day on two cores.
matrix: test-tools
	DNNC_FULL=1 $(GO) test -v -timeout 0 -run FullMatrix ./cmd/dnnc/internal/verify

# The bars of the kernels and what is measured: networks of one layer, counted
# under the emulators, and XNNPACK's beside them where Debian's packages are to be
# had; and what AlexNet and VGG-16 in full size take dnnc, whose
# weights are made for it (800 MB in a temporary folder).
bench: test-tools bin/dnnc
	p=; .ci/armhf bin/xnnpack libxnnpack-dev libxnnpack0 libpthreadpool-dev libpthreadpool0 libcpuinfo-dev libcpuinfo0 && p="-xnnpack bin/xnnpack"; \
		$(GO) run ./cmd/bench $$p
	$(GO) run ./cmd/bench -peers
	$(GO) run ./cmd/bench -clang
	$(GO) run ./cmd/bench -lower 20
	$(GO) run ./cmd/bench -wide
	$(GO) run ./cmd/bench -scale

# Other people's arithmetic: generated models of every operation against
# onnxruntime and the reference kernels of TensorFlow Lite's interpreter, and Keras 3
# networks against both of its sets of kernels, in a throw-away Python environment.
ONNX_CASES = 2400
TFLITE_CASES = 2100
peers: bin/dnnc
	rm -rf bin/peers
	python3 -m venv bin/peers/python
	bin/peers/python/bin/pip install -q -r testdata/peers/requirements.txt
	bin/peers/python/bin/python testdata/peers/onnx_cases.py bin/peers/onnx $(ONNX_CASES)
	bin/peers/python/bin/python testdata/peers/tflite_cases.py bin/peers/tflite $(TFLITE_CASES)
	bin/peers/python/bin/python testdata/peers/keras_cases.py bin/peers/keras
	bin/peers/python/bin/python testdata/peers/qdq.py bin/peers/qdq
	bin/peers/python/bin/python testdata/peers/onnx_backend.py bin/peers/backend
	bin/dnnc conformance bin/peers/onnx
	bin/dnnc conformance bin/peers/tflite
	bin/dnnc conformance bin/peers/keras
	bin/dnnc conformance bin/peers/backend/float
	bin/dnnc conformance bin/peers/backend/other
	DNNC_QDQ=$(CURDIR)/bin/peers/qdq $(GO) test -v -count 1 -run NoiseIsThatOfQDQ ./passes
	$(MAKE) peers-products
	$(MAKE) peers-networks

# The speed of the interpreter's products beside onnxruntime's, on one core and in one run.
peers-products:
	test -d bin/peers/python || python3 -m venv bin/peers/python
	bin/peers/python/bin/pip install -q -r testdata/peers/requirements.txt
	$(GO) run ./cmd/products

# Networks that PyTorch, Keras 3 and scikit-learn export, the table of RESULTS.md: an hour, and
# 7 GB for each version of PyTorch, as its wheels for Linux bring CUDA. TORCH lists the versions.
TORCH = 2.14.1 2.15.0
peers-networks: bin/dnnc
	rm -rf bin/peers/networks
	set -e; for v in $(TORCH); do \
		python3 -m venv bin/peers/torch-$$v; \
		bin/peers/torch-$$v/bin/pip install -q --no-cache-dir torch==$$v -r testdata/peers/requirements-networks.txt; \
		for e in dynamo legacy; do bin/peers/torch-$$v/bin/python testdata/peers/networks.py bin/peers/networks/torch-$$v-$$e $$e; done; \
		python=bin/peers/torch-$$v/bin/python; \
	done; \
	KERAS_BACKEND=torch $$python testdata/peers/networks.py bin/peers/networks/keras keras; \
	$$python testdata/peers/networks.py bin/peers/networks/sklearn sklearn
	$(GO) run ./cmd/networks -in bin/peers/networks -into RESULTS.md -date "$$(date +%F)"
	$(MAKE) peers-quantized

# Networks of peers-networks that onnxruntime's static quantizer made integers of: against
# onnxruntime, whose float32 arithmetic takes some sums over a half, and against exact integers,
# which every model must equal.
QUANTIZED = mobilenet_v1,mobilenet_v2,mobilenet_v3,efficientnet_lite,efficientnet,shufflenet_v1,shufflenet_v2,squeezenet,resnet18,resnet34,regnet,unet_nearest,unet_shuffle,unet_transposed,ds_cnn,tcn,ssd
QUANTIZED_KERAS = keras_cnn,keras_tcn,keras_mobilenet
peers-quantized: bin/dnnc
	rm -rf bin/peers/static bin/peers/exact
	set -e; python=bin/peers/torch-$(lastword $(TORCH))/bin/python; \
	$$python testdata/peers/onnx_static.py bin/peers/networks/torch-$(lastword $(TORCH))-legacy bin/peers/static 100 $(QUANTIZED); \
	$$python testdata/peers/onnx_static.py bin/peers/networks/keras bin/peers/static 100 $(QUANTIZED_KERAS); \
	$$python testdata/peers/onnx_exact.py bin/peers/static bin/peers/exact 10
	-bin/dnnc conformance bin/peers/static
	bin/dnnc conformance bin/peers/exact

# Proof that a change of structure changes no output: the working tree's dnnc against
# a revision's, in every network, format and target: BASE=rev [ONLY=regexp]
# [SAME="-sample 300"]; cmd/same/main.go says more.
same:
	@test -n "$(BASE)" || { echo "set BASE to the revision to compare with: make same BASE=main" >&2; exit 2; }
	$(GO) run ./cmd/same -base "$(BASE)" -only '$(ONLY)' $(SAME)

# What a release consists of: static binaries, archives, Debian packages, Python wheels, files of
# two containers, checksums, licences, a bill of materials.
dist:
	$(GO) run ./cmd/dist

# The documents as a static site in bin/site, every link within it checked.
site:
	@.ci/install hugo linkchecker
	hugo --quiet --noBuildLock --source cmd/site --destination $(CURDIR)/bin/site --cleanDestinationDir
	linkchecker --no-status -f cmd/site/linkchecker.ini bin/site/index.html

# The examples whose reports test-adoption looks at in a browser.
REPORTS = keyword mask wear pump detector
PICTURE_ERRORS = gaussian=.05,.1,.15;light-random=.2;fog-blend=.45;blackout-random=.5

# What users of others' tools meet: the Python package, installed from its wheel with the extra
# llvm in a throw-away environment; projects, as the tools of their ecosystems take them; the editor's extension; the tutorials, which install PyTorch.
test-adoption: tools site bin/dnnc
	@.ci/install lintian
	rm -rf bin/adoption
	$(GO) run ./cmd/dist -only linux/$$($(GO) env GOARCH),windows/amd64 -o bin/adoption
	lintian --fail-on error --allow-root bin/adoption/*.deb
	python3 -m venv bin/adoption/python
	bin/adoption/python/bin/pip install -q twine "$$(ls bin/adoption/*manylinux*.whl)[llvm]"
	bin/adoption/python/bin/twine check --strict bin/adoption/*.whl
	bin/adoption/python/bin/python cmd/dist/test_dnnc.py
	$(GO) run ./cmd/dnnc demo bin/adoption/demo
	@if [ "$$(id -u)" = 0 ]; then .ci/install mmdebstrap && cmd/dist/clean.sh bin/adoption && cmd/dist/wine.sh bin/adoption; else echo "not root: nothing was installed in a clean Debian, nothing ran in Wine"; fi
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
	bin/adoption/python/bin/pip install -q platformio==6.2.0 kconfiglib idf-component-manager
	PATH=$(CURDIR)/bin/adoption/python/bin:$$PATH $(GO) test -count 1 -run Validators -v ./cmd/dnnc/internal/project
	bin/adoption/python/bin/pip install -q torch==2.15.0 onnxscript
	bin/adoption/python/bin/python cmd/dist/test_dnnc.py Package.test_torch
	DNNC_TUTORIALS=$(CURDIR)/bin/adoption/python/bin $(GO) test -count 1 -timeout 60m -run Tutorials -v ./cmd/site
	@.ci/install chromium; command -v npm >/dev/null || .ci/install npm
	npm install --prefix bin/adoption --no-audit --no-fund --no-save playwright-core@1.65.1 axe-core@4.14.1
	$(GO) run ./cmd/tasks -data bin/tasks
	set -e; for t in $(REPORTS); do data="-calib bin/tasks/$$t/calibration.npz -data bin/tasks/$$t/test.npz -n 300"; \
		case $$t in mask|detector) data="$$data -errors $(PICTURE_ERRORS)";; esac; \
		bin/dnnc report testdata/tasks/$$t/$$t.dnn $$data -sizes 2,4 -methods qed,universal -results bin/adoption/cells-$$t -o bin/adoption/$$t.html; \
		bin/dnnc testdata/tasks/$$t/$$t.dnn $$data -O universal -bits 8 -formats odd -target armv7em -report accuracy -o bin/adoption/$$t.o; done
	DNNC_REPORTS=$(CURDIR)/bin/adoption $(GO) test -count 1 -run ReportsAreCertificates -v ./cmd/site
	NODE_PATH=bin/adoption/node_modules node cmd/site/browser.mjs "$$(command -v chromium)" $(REPORTS:%=bin/adoption/%.html) $$(find bin/site -name '*.html')
	@if command -v npm >/dev/null; then cd editors/vscode && npm install --no-audit --no-fund --no-save && npm run package && cd ../.. && \
		$(GO) test -count 1 -run ExtensionWorks -v ./cmd/dnnc/internal/command; else echo "no npm: the extension of Visual Studio Code was not packaged"; fi
	@$(MAKE) -s validated

# What was validated by what, and what could not be had: the table of the documents.
validated:
	@sed -n '/^What was validated by what/,/^$$/p;/^| what | by tools/,/^$$/p' cmd/dnnc/README.md

# The promise of -keep: 60 builds on random halves of the test images, each held to the
# other half. Hours; ONLY=lenet5 is a part of it. DNNC_DATA names the folder of MNIST and
# CIFAR-10, DNNC_STRANGERS that of ResNet-8 (pretrainedResnet.tflite of MLPerf Tiny).
ONLY ?=
keep-check:
	@.ci/install dataset-fashion-mnist
	$(GO) run ./cmd/keep -data "$(DNNC_DATA)" -only '$(ONLY)'

# The searches against each other, as RESULTS.md reports them: hours on two cores,
# interrupted and resumed at will. DNNC_DATA names the folder of MNIST and CIFAR-10.
DNNC_DATA ?= ../shared/data
SEEDS ?= 1 2 3
RECORD = testdata/results/search.csv
ERRORS = gaussian=0.02,0.05,0.08,0.12;light-random=0.1,0.2,0.4;fog-blend=0.2,0.45,0.7;blackout-random=0.2,0.5,1
CIFAR = -calib $(DNNC_DATA)/cifar10/train_batch.bin.gz -data $(DNNC_DATA)/cifar10/test_batch.bin.gz
MNIST = -calib $(DNNC_DATA)/mnist/train-images-idx3-ubyte.gz -data $(DNNC_DATA)/mnist/t10k-images-idx3-ubyte.gz
METHODS = qed,qstar,universal,universal-nearest,compress,compress-compensated,greedy,greedy-nearest,fisher
# $(1) a network, $(2) its data, $(3) a name for the table, $(4) what to compare
compare = bin/dnnc compare testdata/$(1)/$(1).dnn $(2) -errors "$(ERRORS)" -n 5000 -seed $$seed -checkpoint bin/results/$(3)-$$seed.table -record $(RECORD) $(4)

results: bin/dnnc
	@test -d "$(DNNC_DATA)/cifar10" || { echo "no $(DNNC_DATA)/cifar10: set DNNC_DATA to the folder of mnist/ and cifar10/" >&2; exit 1; }
	mkdir -p bin/results $(dir $(RECORD))
	set -e; for seed in $(SEEDS); do \
		$(call compare,lenet5-mnist,$(MNIST),lenet,-methods qed$(comma)qstar -sizes 0.25$(comma)0.46$(comma)1.1); \
		$(call compare,vgg16,$(CIFAR),vgg,-methods qed$(comma)qstar -sizes 0.5$(comma)0.6$(comma)0.7$(comma)0.9$(comma)1.25); \
		$(call compare,alexnet,$(CIFAR),alex,-methods qed$(comma)qstar -sizes 0.5$(comma)0.6$(comma)0.75$(comma)0.95$(comma)1.25); \
		$(call compare,vgg16,$(CIFAR),vgg-odd,-formats odd -methods qed -sizes 1.1$(comma)1.25$(comma)1.5); \
		$(call compare,alexnet,$(CIFAR),alex-odd,-formats odd -methods qed -sizes 1.1$(comma)1.25$(comma)1.5); \
		$(call compare,lenet5-mnist,$(MNIST),lenet,-methods $(METHODS) -sizes 1$(comma)1.5$(comma)2$(comma)3); \
		$(call compare,vgg16,$(CIFAR),vgg,-methods $(METHODS) -sizes 1$(comma)1.5$(comma)2$(comma)3); \
		$(call compare,alexnet,$(CIFAR),alex,-methods $(METHODS) -sizes 1$(comma)1.5$(comma)2$(comma)3); \
		$(call compare,lenet5-mnist,$(MNIST),lenet-odd,-formats odd -methods qed$(comma)exhaustive -sizes 1.05$(comma)1.25$(comma)1.5$(comma)2$(comma)2.5$(comma)3$(comma)4$(comma)5); \
	done
	$(GO) run ./cmd/results -record $(RECORD) -date "$$(date +%F)"

comma := ,
empty :=
space := $(empty) $(empty)

# What tuning gives: each network and size is searched once, and measured before and after -tune on
# 5,000 test images, with cycles and RAM free: the table of RESULTS.md. Some minutes a cell, the
# first seed over all cells first; interrupted and resumed at will. ONLY=alexnet/0.5/1 is a part of
# it. DNNC_STRANGERS names the folder of ResNet-8, which is left out without it.
tuning:
	@test -d "$(DNNC_DATA)/mnist" || { echo "no $(DNNC_DATA)/mnist: set DNNC_DATA to the folder of mnist/ and cifar10/" >&2; exit 1; }
	$(GO) run ./cmd/tuning -data "$(DNNC_DATA)" -strangers "$(DNNC_STRANGERS)" -seeds "$(subst $(space),$(comma),$(SEEDS))" -only '$(ONLY)' -into RESULTS.md

# What is proved of LeNet-5 (MNIST) in int8 and by four methods of the same bytes, for every size of five errors: the table of
# RESULTS.md. Each proof is then held to its object, which runs on this machine. About ten minutes of one core a method;
# interrupted and resumed at will. PROVED_IMAGES are drawn evenly over the test images.
PROVED = int8 qed qstar universal compress
PROVED_IMAGES ?= 1000
PROVED_ERRORS = light=0.1,0.2,0.4;darken=0.25,0.5,0.75;brighten=0.25,0.5,0.75;contrast=0.25,0.5,0.75;fog-blend=0.25,0.5,0.75
proofs: bin/dnnc
	@test -d "$(DNNC_DATA)/mnist" || { echo "no $(DNNC_DATA)/mnist: set DNNC_DATA to the folder of mnist/ and cifar10/" >&2; exit 1; }
	mkdir -p bin/proofs
	set -e; for m in $(PROVED); do \
		base=bin/proofs/$$m; how="-O robust -search $$m -bits 1.1"; resume=; \
		case $$m in int8) how=;; esac; \
		test -f $$base.o || bin/dnnc testdata/lenet5-mnist/lenet5-mnist.dnn -target x86_64 $$how $(firstword $(MNIST)) $(word 2,$(MNIST)) -o $$base.o; \
		if test -f $$base.proof.json; then resume=-resume; fi; \
		bin/dnnc certify $$base.o $(wordlist 3,4,$(MNIST)) -n $(PROVED_IMAGES) -errors "$(PROVED_ERRORS)" -o $$base.proof.json $$resume; \
		bin/dnnc certify $$base.o $(wordlist 3,4,$(MNIST)) -check $$base.proof.json; \
	done
	$(GO) run ./cmd/proofs -date "$$(date +%F)" $(PROVED)

# What activations of 8 and of 16 bits lose on examples of signals and numbers, against the same weights. Then what
# searches make of the examples of testdata/tasks: the tables of the README there, beside
# the choices of commit BEFORE, which judged every network by one argmax. Interrupted and
# resumed at will: bin/tasks.csv has what is measured so far, and of which weights.
BEFORE ?= 4bea3a1
tasks:
	mkdir -p bin
	$(GO) test -v -count 1 -run ErrorOfActivations ./cmd/internal/tasks
	$(GO) run ./cmd/tasks -table testdata/tasks/README.md -before "$(BEFORE)" -date "$$(date +%F)"

# The study of the paper, as one report: under two hours on two quiet cores,
# interrupted and resumed at will; QUICK=-quick takes minutes and asks less.
experiments: bin/dnnc
	DNNC_DATA="$(abspath $(DNNC_DATA))" bin/dnnc experiment $(QUICK) -results bin/experiments -o bin/report.html -readme RESULTS.md

# Formatting, vet, staticcheck and a tidy module.
check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w ." >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

clean:
	rm -rf bin
