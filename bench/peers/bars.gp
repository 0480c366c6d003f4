# A case a row of bars: how many times of ours each engine takes.
set terminal svg size 900,520 font 'sans-serif,12' background '#ffffff'
set output svg
set title name.": times of what we take (log)" noenhanced
set style data histograms
set style histogram clustered gap 2
set style fill solid 0.8 noborder
set logscale y
set grid ytics
set key outside right noenhanced
set xtics rotate by -25 noenhanced
set datafile separator tab
set datafile missing '-'
plot for [i = 2:columns] bars using i:xtic(1) title columnheader(i), \
     1 notitle with lines lc 'black'
