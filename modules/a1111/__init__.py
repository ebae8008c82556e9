"""The objects that A1111's extensions know, over our services. Its words and habits stand in this room and nowhere else."""
