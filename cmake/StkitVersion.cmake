# generated/version_config.h: what --version says. The commit is read at configure time.
