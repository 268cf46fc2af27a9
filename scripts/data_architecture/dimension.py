"""The dimension that the checks of this package register with."""

from check import Dimension

data = Dimension("DAT", "data_architecture", "Data Architecture", "DATA_ARCHITECTURE.md")
