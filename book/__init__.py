"What only the page needs: the build, the Sphinx extension, styles and scripts."
