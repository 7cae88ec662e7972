module attacks

go 1.24
