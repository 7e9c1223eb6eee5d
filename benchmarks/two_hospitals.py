r"""One cohort of two public data sets: a hospital that develops, and one that judges.

Usage: python benchmarks/two_hospitals.py BUS_BRA BREAST OUT

BUS_BRA holds bus_data.csv, Images and Masks (doi:10.1002/mp.16812), BREAST the published .xlsx and
images_and_masks (doi:10.1038/s41597-024-02984-z), OUT is made. Its cohort.csv has the column
`split` (BUS-BRA trains, BrEaST is an external centre) and the column `device`, so that

    her2 study cohort=folder cohort.root=OUT cohort.positive=malignant evaluation.unit=patient
    her2 study cohort=folder cohort.root=OUT cohort.table=devices.csv cohort.positive=malignant \
        evaluation.unit=patient split.leave_out=device

are a study of two hospitals, and one that leaves out each device in turn. Both data sets are of
benign and malignant lesions. No pixel spacing is published of BUS-BRA, so none is given of either.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pandas as pd


def main(bus_bra: Path, breast: Path, out: Path) -> None:
    rows = pd.concat([bus_bra_rows(bus_bra), breast_rows(breast)], ignore_index=True)
    (out / "images").mkdir(parents=True, exist_ok=True)
    for column in ("image", "mask"):
        rows[column] = [copied(Path(path), out / "images") for path in rows[column]]
    rows.to_csv(out / "cohort.csv", index=False)
    rows.drop(columns="split").to_csv(out / "devices.csv", index=False)
    sizes = rows.groupby(["split", "device"])["patient_id"].nunique()
    sys.stdout.write(f"{sizes.to_string()}\n{out / 'cohort.csv'}\n")


def bus_bra_rows(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "bus_data.csv")
    return pd.DataFrame(
        {
            "patient_id": "bus-bra-" + table["Case"].astype(str),
            "lesion_id": table["ID"].str.removeprefix("bus_"),
            "image": [str(folder / "Images" / f"{name}.png") for name in table["ID"]],
            "mask": [
                str(folder / "Masks" / f"{name.replace('bus_', 'mask_')}.png")
                for name in table["ID"]
            ],
            "outcome": table["Pathology"],
            "device": table["Device"].str.split(" @").str[0],
            "split": "train",
        }
    )


def breast_rows(folder: Path) -> pd.DataFrame:
    (workbook,) = folder.glob("*.xlsx")
    table = pd.read_excel(workbook)
    table = table[table["Classification"].ne("normal")]
    images = folder / "images_and_masks"
    return pd.DataFrame(
        {
            "patient_id": "breast-" + table["CaseID"].astype(str),
            "lesion_id": "1",
            "image": [str(images / name) for name in table["Image_filename"]],
            "mask": [str(images / name) for name in table["Mask_tumor_filename"]],
            "outcome": table["Classification"],
            "device": "BrEaST",
            "split": "BrEaST",
        }
    )


def copied(path: Path, folder: Path) -> str:
    """Copy a file into the cohort's folder; return its path beside the table."""
    shutil.copyfile(path, folder / path.name)
    return f"{folder.name}/{path.name}"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
