"""`python -m ems_ml` is `ems`."""

from ems_ml.service.cli import main

if __name__ == "__main__":
    main()
