"""The libraries that are measured: where their files stand and what the flow is told about them."""

import gzip
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Library:
    """A standard cell library."""

    name: str
    summary: str
    source: str
    files: tuple
    dont_use: tuple
    driver: str  # the cell that ABC assumes at inputs
    buffer: str  # of which trees behind nets with many sinks are made
    load_ff: float  # the load that ABC assumes at outputs, about four inputs of a small gate
    nand: str  # the reference gate for scaling
    memory: str  # "sky130" for its own macros' area, "scaled" for foundry macros of 130 nm, scaled


LIBRARIES = {
    library.name: library
    for library in (
        Library(
            name="sky130hd",
            summary="SkyWater 130 nm, sky130_fd_sc_hd, TT, 25 C, 1.80 V",
            source="SkyWater PDK sky130_fd_sc_hd (Apache-2.0)",
            files=("sky130hd_tt.lib.gz",),
            dont_use=("*lpflow*", "*probe*"),
            driver="sky130_fd_sc_hd__buf_2",
            buffer="sky130_fd_sc_hd__buf_4",
            load_ff=10.0,
            nand="sky130_fd_sc_hd__nand2_1",
            memory="sky130",
        ),
        Library(
            name="asap7",
            summary="ASAP7 predictive 7 nm, 7.5-track RVT, TT, 25 C, 0.70 V",
            source="ASAP7 asap7sc7p5t RVT (BSD-3-Clause)",
            files=tuple(
                f"asap7sc7p5t_{part}.lib.gz"
                for part in (
                    "AO_RVT_TT_nldm_211120",
                    "INVBUF_RVT_TT_nldm_220122",
                    "OA_RVT_TT_nldm_211120",
                    "SEQ_RVT_TT_nldm_220123",
                    "SIMPLE_RVT_TT_nldm_211120",
                )
            ),
            dont_use=(),
            driver="BUFx2_ASAP7_75t_R",
            buffer="BUFx4_ASAP7_75t_R",
            load_ff=2.0,
            nand="NAND2xp5_ASAP7_75t_R",
            memory="scaled",
        ),
        Library(
            name="sg13g2",
            summary="IHP SG13G2 130 nm, typical, 25 C, 1.20 V",
            source="IHP-Open-PDK sg13g2_stdcell (Apache-2.0)",
            files=("sg13g2_stdcell_typ_1p20V_25C.lib.gz",),
            dont_use=(),
            driver="sg13g2_buf_2",
            buffer="sg13g2_buf_4",
            load_ff=12.0,
            nand="sg13g2_nand2_1",
            memory="ihp",
        ),
        Library(
            name="osu018",
            summary="TSMC 180 nm, OSU standard cells, typical, 25 C, 1.80 V",
            source="OSU 0.18 um standard cells of Oklahoma State University (Debian's package qflow-tech-osu018)",
            files=("/usr/share/qflow/tech/osu018/osu018_stdcells.lib",),
            dont_use=("CLKBUF*",),
            driver="BUFX2",
            buffer="BUFX4",
            load_ff=40.0,
            nand="NAND2X1",
            memory="scaled",
        ),
    )
}


def missing(library, data):
    """The first of the library's files that is not at hand; none if all are."""
    paths = (Path(data) / "liberty" / name for name in library.files)  # an absolute name stands by itself
    return next((path for path in paths if not path.is_file()), None)


def unpack(library, data, folder):
    """The library's Liberty files, decompressed into `folder`; those of a package stand where it installed them."""
    paths = []
    for name in library.files:
        if Path(name).is_absolute():
            paths.append(Path(name))
            continue
        path = Path(folder) / name.removesuffix(".gz")
        path.write_bytes(gzip.decompress((Path(data) / "liberty" / name).read_bytes()))
        paths.append(path)
    return paths
