# Thin on purpose: what the targets do is in cvlab/classroom/cli.py.
PYTHON ?= python3
SERVE ?= 1
FULL ?= 0
STRESS ?= 0
ALL ?= 0
PART ?= $(CVLAB_PART)
# A shim of pyenv runs only versions that are switched on; PYTHON=python3.13 switches on its own.
ifneq (,$(findstring python3.,$(PYTHON)))
SHIM := $(shell pyenv latest $(subst python,,$(notdir $(PYTHON))) 2>/dev/null)
ifneq (,$(SHIM))
export PYENV_VERSION ?= $(SHIM)
endif
endif
CVLAB = $(PYTHON) cvlab/classroom/bootstrap.py

.PHONY: help book test validate check pdf chapter slides exercises tidy lock address setup colab

help:      ; @sed -n 's/: *;.*[#]# */\t/p' Makefile
setup:     ; @$(CVLAB)                                    ## only make .venv and install everything
book:      ; @$(CVLAB) book --serve $(SERVE)              ## build the book and serve it (SERVE=0: only build)
test:      ; @CVLAB_PART=$(PART) $(CVLAB) test $(if $(filter-out 0,$(FULL)),--full) $(if $(filter-out 0,$(STRESS)),--stress) ## everything CI checks (PART=all: every chapter; FULL=1: forget what ran before; STRESS=1: all cores busy)
validate:  ; @$(CVLAB) validate $(NAME)                   ## run notebooks with nbval (NAME=01_knn: only these)
check:     ; @$(CVLAB) check $(if $(filter-out 0,$(ALL)),--all)   ## a minute: lint, hygiene, unit tests of what changed (ALL=1: all unit tests)
pdf:       ; @$(CVLAB) pdf                                ## one PDF and one EPUB of the built book
chapter:   ; @$(CVLAB) chapter "$(NAME)"                  ## NAME=01_knn: execute and open one page
slides:    ; @$(CVLAB) slides "$(NAME)"                   ## NAME=01_knn: slides of a chapter with speaker's notes
exercises: ; @$(CVLAB) exercises                          ## derive exercises/ from solutions/
tidy:      ; @$(CVLAB) tidy                               ## format modules and notebooks
lock:      ; @$(CVLAB) lock                               ## renew requirements.lock
address:   ; @$(CVLAB) address "$(URL)"                   ## URL=https://github.com/OWNER/NAME: move the repository
colab: setup ; @.venv/bin/python tests/colab.py $(NAME)      ## the weekly run in an environment like Colab's (NAME=01_knn: only these)
