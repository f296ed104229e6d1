"""Packaging of tfwavenet; the settings of the development tools are in pyproject.toml."""

from __future__ import annotations

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "tfwavenet" / "version.py").read_text(), flags=re.MULTILINE
).group(1)

# tensorflow-addons ends with TensorFlow 2.15, tensorflow-io with 2.17; neither knows Keras 3. They do not require tensorflow by themselves, so the line they were built for is pinned here; newer
# Pythons get today's TensorFlow with Keras 3. Everything in this list has wheels: no compiler is
# needed.
OLD, NEW = "python_version < '3.12'", "python_version >= '3.12'"
REQUIREMENTS = [
    "absl-py>=1.4",
    "h5py>=3.8",
    f"keras==2.15.*; {OLD}",
    f"keras>=3.12,<4; {NEW}",
    "librosa>=0.10.1,<2",
    "matplotlib>=3.7",
    "ml_collections>=0.1.1",
    f"numpy>=1.23.5,<2; {OLD}",
    f"numpy>=1.26; {NEW}",
    "pystoi>=0.4.1",
    "scipy>=1.10",
    # TensorBoard of TensorFlow 2.15 imports pkg_resources, which later versions do not have.
    f"setuptools<81; {OLD}",
    "soundfile>=0.12.1",
    # TensorFlow requires it no more.
    f"tensorboard>=2.20; {NEW}",
    f"tensorflow==2.15.*; {OLD}",
    f"tensorflow>=2.20,<2.22; {NEW}",
    f"tensorflow-addons==0.23.*; {OLD}",
    f"tensorflow-io==0.36.*; {OLD}",
    "tqdm>=4.65",
]

SERVING_API = [
    f"tensorflow-serving-api==2.15.*; {OLD}",
    f"tensorflow-serving-api>=2.18,<2.22; {NEW}",
]

EXTRAS = {
    "gpu": [
        f"tensorflow[and-cuda]==2.15.*; {OLD}",
        f"tensorflow[and-cuda]>=2.20,<2.22; {NEW}",
    ],
    # A metric whose package compiles C on installation; evaluation leaves it out where absent.
    "evaluate": ["pesq>=0.0.4"],
    # The pages of docs/, with the reference made of the docstrings.
    "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"],
    # Presets by the handle hf://user/model.
    "huggingface": ["huggingface_hub>=0.20"],
    "notebooks": ["ipywidgets>=8", "jupyterlab>=4", "nbclient>=0.9"],
    # For those who serve: the messages of TF Serving, and a cluster that answers them.
    "serving": ["ray[serve]>=2.40", *SERVING_API],
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
        *SERVING_API,
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
    python_requires=">=3.9,<3.14",
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
            "tfwavenet = tfwavenet.launch.main:main",
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
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
