"""The libraries that are measured: where their files stand and what the flow is told about them."""

import gzip
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Library:
    """A standard cell library."""

    name: str
    files: tuple
    dont_use: tuple
    driver: str  # the cell that ABC assumes at inputs
    load_ff: float  # the load that ABC assumes at outputs, about four inputs of a small gate


LIBRARIES = {
    library.name: library
    for library in (
        Library(
            name="sky130hd",
            files=("sky130hd_tt.lib.gz",),
            dont_use=("*lpflow*", "*probe*"),
            driver="sky130_fd_sc_hd__buf_2",
            load_ff=10.0,
        ),
        Library(
            name="asap7",
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
            load_ff=2.0,
        ),
        Library(
            name="sg13g2",
            files=("sg13g2_stdcell_typ_1p20V_25C.lib.gz",),
            dont_use=(),
            driver="sg13g2_buf_2",
            load_ff=12.0,
        ),
    )
}


def unpack(library, data, folder):
    """The library's Liberty files, decompressed into `folder`."""
    paths = []
    for name in library.files:
        path = Path(folder) / name.removesuffix(".gz")
        path.write_bytes(gzip.decompress((Path(data) / "liberty" / name).read_bytes()))
        paths.append(path)
    return paths
