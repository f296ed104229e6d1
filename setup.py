"""Packaging of tfwavenet; the settings of the development tools are in pyproject.toml."""

from __future__ import annotations

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "tfwavenet" / "version.py").read_text(), flags=re.MULTILINE
).group(1)

# tensorflow-addons and tensorflow-io do not require tensorflow by themselves, so the line they
# were built for is pinned here. Everything in this list has wheels: no compiler is needed.
REQUIREMENTS = [
    "absl-py>=1.4",
    "h5py>=3.8",
    "librosa>=0.10.1,<1",
    "matplotlib>=3.7",
    "ml_collections>=0.1.1",
    "numpy>=1.23.5,<2",
    "pystoi>=0.4.1",
    "scipy>=1.10",
    "soundfile>=0.12.1",
    "tensorflow==2.15.*",
    "tensorflow-addons==0.23.*",
    "tensorflow-io==0.36.*",
    "tqdm>=4.65",
]

SERVING_API = "tensorflow-serving-api==2.15.*"

EXTRAS = {
    "gpu": ["tensorflow[and-cuda]==2.15.*"],
    # A metric whose package compiles C on installation; evaluation leaves it out where absent.
    "evaluate": ["pesq>=0.0.4"],
    # Presets by the handle hf://user/model.
    "huggingface": ["huggingface_hub>=0.20"],
    "notebooks": ["ipywidgets>=8", "jupyterlab>=4", "nbclient>=0.9"],
    # For those who serve: the messages of TF Serving, and a cluster that answers them.
    "serving": ["ray[serve]>=2.40", SERVING_API],
    # ruff is pinned because its formatting changes with its version.
    "test": [
        "huggingface_hub>=0.20",
        "ipykernel>=6.20",
        "mypy>=1.15",
        "nbclient>=0.9",
        "pytest>=8",
        "pytest-xdist>=3.5",
        "ruff==0.17.5",
        "setuptools>=58",
        SERVING_API,
    ],
}

setup(
    name="tfwavenet",
    version=VERSION,
    description="WaveNet for TensorFlow: train on recordings, generate and stream audio.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="tfwavenet contributors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    # The experiments stand at the top of the repository and are installed inside the package.
    packages=[*find_packages(include=["tfwavenet", "tfwavenet.*"]), "tfwavenet.configs"],
    package_dir={"tfwavenet.configs": "configs"},
    package_data={
        "tfwavenet": ["py.typed"],
        "tfwavenet.data.bundled": ["*.flac", "*.json"],
        "tfwavenet.evaluation": ["templates/*"],
        "tfwavenet.models": ["pretrained/*/*"],
    },
    python_requires=">=3.9",
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            *(
                f"tfwavenet-{name} = tfwavenet.launch.{name}:main"
                for name in (
                    "evaluate",
                    "export",
                    "generate",
                    "prepare",
                    "quickstart",
                    "schedule",
                    "train",
                )
            ),
            # `import` is no name for a module.
            "tfwavenet-import = tfwavenet.launch.import_checkpoint:main",
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
