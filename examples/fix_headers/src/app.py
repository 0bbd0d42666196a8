print("an application without a header")
