"""Part of step 11: model life: which versions of a model a site has, which one answers, and who decided that."""
